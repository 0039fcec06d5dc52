package demo

import (
	"strconv"
	"time"
)

// The subjects that the demo publishes on.
const (
	SubjectSignin   = "events.signin"        // OCSF authentication, class 3002
	SubjectFile     = "events.file_activity" // OCSF file activity, class 1001
	SubjectIdentity = "events.identity"      // one row a user: role and criticality
	SubjectNetwork  = "events.network"       // one row a network that the company allows
)

// Emit takes one event. It owns json; an error ends the generation.
type Emit func(subject, msgID string, t time.Time, json []byte) error

// Why a sign-in failed, or how it came about.
const (
	badPassword = "Invalid password"
	unknownUser = "Unknown user"
	locked      = "Account locked"
	expired     = "Password expired"
	mfaDenied   = "MFA denied"
)

// account is who signs in, rendered once.
type account struct {
	name string
	json []byte
}

type class uint8

const (
	signin class = iota
	fileActivity
	identityRow
	networkRow
)

// event is one event before it is rendered.
type event struct {
	ms      int64 // Unix milliseconds
	seq     uint64
	who     *account
	src     *source
	dev     *device
	attack  *Attack // nil for what is innocent
	service string  // or the file's name
	failure string  // empty: success
	session uint64
	class   class
	mfa     bool
	batch   bool // no person at the keyboard
}

const hexDigits = "0123456789abcdef"

// append renders the event; id is its message id.
func (e *event) append(b []byte, id string) []byte {
	b = append(b, `{"time":"`...)
	b = time.UnixMilli(e.ms).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	switch e.class {
	case fileActivity:
		return e.appendFile(b, id)
	case networkRow:
		b = append(b, `",`...)
		b = append(b, e.who.json...)
		return append(b, '}')
	case identityRow:
		b = append(b, `","class_uid":5003,`...)
		b = append(b, e.who.json...)
		b = append(b, `,"metadata":{"uid":"`...)
		b = append(b, id...)
		return append(b, `"}}`...)
	default:
		return e.appendSignin(b, id)
	}
}

func (e *event) appendSignin(b []byte, id string) []byte {
	b = append(b, `","class_uid":3002,"status":`...)
	if e.failure == "" {
		b = append(b, `"Success",`...)
	} else {
		b = append(b, `"Failure","status_detail":"`...)
		b = append(b, e.failure...)
		b = append(b, `",`...)
	}
	b = append(b, e.who.json...)
	b = append(b, ',')
	b = append(b, e.src.json...)
	b = append(b, ',')
	b = append(b, e.dev.json...)
	b = append(b, `,"service":{"name":"`...)
	b = append(b, e.service...)
	if e.batch {
		b = append(b, `"},"auth_protocol":"OAuth2","is_mfa":`...)
	} else {
		b = append(b, `"},"auth_protocol":"OIDC","is_mfa":`...)
	}
	b = strconv.AppendBool(b, e.mfa)
	b = append(b, `,"session":{"uid":"`...)
	b = appendHex(b, e.session)
	b = append(b, `"},"metadata":{"uid":"`...)
	b = append(b, id...)
	return append(b, `"}}`...)
}

func (e *event) appendFile(b []byte, id string) []byte {
	b = append(b, `","class_uid":1001,"status":"Success","actor":{`...)
	b = append(b, e.who.json...)
	b = append(b, `},`...)
	b = append(b, e.src.json...)
	b = append(b, `,"file":{"name":"`...)
	b = append(b, e.service...)
	b = append(b, `","size":`...)
	b = strconv.AppendUint(b, e.session>>44, 10)
	b = append(b, `},"metadata":{"uid":"`...)
	b = append(b, id...)
	return append(b, `"}}`...)
}

func (e *event) subject() string {
	switch e.class {
	case fileActivity:
		return SubjectFile
	case identityRow:
		return SubjectIdentity
	case networkRow:
		return SubjectNetwork
	default:
		return SubjectSignin
	}
}

func appendHex(b []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[v>>shift&15])
	}
	return b
}

// newAccount takes the type of a user that exists, or none.
func newAccount(name, kind string) *account {
	b := []byte(`"user":{"name":` + strconv.Quote(name))
	if kind != "" {
		b = append(b, `,"type":"`+kind+`"`...)
	}
	return &account{name: name, json: append(b, '}')}
}

// newDevice takes no uid for a client without a device.
func newDevice(uid, os, ua string) *device {
	var b []byte
	if uid != "" {
		b = []byte(`"device":{"uid":"` + uid + `","os":"` + os + `"},`)
	}
	b = append(b, `"http_request":{"user_agent":`+strconv.Quote(ua)+`}`...)
	return &device{ua: ua, json: b}
}

func newSource(ip uint32, n *network, at *city, lat, lon float64) *source {
	b := make([]byte, 0, 176)
	b = append(b, `"src_endpoint":{"ip":"`...)
	b = appendIP(b, ip)
	b = append(b, `","location":{"country":"`+at.country+`","city":"`+at.name+`","lat":`...)
	b = strconv.AppendFloat(b, lat, 'f', 3, 64)
	b = append(b, `,"long":`...)
	b = strconv.AppendFloat(b, lon, 'f', 3, 64)
	b = append(b, `},"autonomous_system":{"number":`...)
	b = strconv.AppendInt(b, int64(n.asn), 10)
	b = append(b, `,"name":"`+n.name+`"}}`...)
	return &source{ip: ip, net: n, at: at, lat: lat, lon: lon, json: b}
}

func appendIP(b []byte, ip uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		b = strconv.AppendUint(b, uint64(ip>>shift&255), 10)
		if shift > 0 {
			b = append(b, '.')
		}
	}
	return b
}

func (s *source) address() string { return string(appendIP(nil, s.ip)) }
