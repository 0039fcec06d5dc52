// Package mapping turns raw events into rows of the Open Cybersecurity Schema
// Framework (OCSF) by rules in YAML files.
//
// A mapping is of one product. Its conditions say which events it takes; the
// first rule whose conditions an event meets makes it a row of the rule's
// class, and the class is the table. A rule says of each attribute where it
// comes from:
//
//	user.name: actor.alternateId              a path of the event
//	user.name: [actor.alternateId, actor.id]  the first that has a value
//	activity_id: =Logon                       a constant
//	src_endpoint.name: [host, ?=unknown]      a constant that only saves the object
//	user.uid: "{domain}/{name}"               a text with values in it
//	cmd_line: "{a0 | hex} {a1? | hex} | trim" ? is for a value that may be missing
//	src_endpoint.ip: client | address         a value, and what is done to it
//	answers[].rdata: answers                  a list of texts as a list of objects
//	hashes[1].value: md5                      an element of a list, behind hashes[0]
//
// A path is keys with dots between; events[0] is an element of a list, and
// target[type=User] the element whose member type is User. A key of the event
// may have dots in it itself. Texts that are JSON are read by the function json:
// status | json error.code, or json [0].name of a list. Empty text, "-" and null are no value.
//
// A constant with ?= counts only if its object has no other member of those of
// which OCSF needs one: so the row of an event without an address has a source
// all the same.
//
// Values become what OCSF says of the attribute: text, numbers, true or false.
// An enumeration is set by a number, or by its caption, and has both; what it
// does not know is Other, with the text as caption. An attribute that cannot be
// had is left out, an object without what OCSF requires in it too, and a rule
// whose class lacks a required attribute does not take the event. So every row
// is valid.
//
// Nothing is lost, and nothing is kept twice: a value that a rule takes as it
// is leaves the raw event, and all that is left stands in unmapped, each value
// at its own path. A value that was changed on its way, and the one that the
// event's time is read from, stay there. Undo puts the raw event together
// again.
package mapping
