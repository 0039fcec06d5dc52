package jetstream

import natsd "github.com/nats-io/nats-server/v2/server"

// Role is what a user of the embedded server may do.
type Role string

// The roles. Who publishes can neither read streams nor change them, who reads
// cannot publish, purge or delete, and an administrator may do everything.
const (
	RolePublish Role = "publish"
	RoleRead    Role = "read"
	RoleAdmin   Role = "admin"
)

// ownInbox begins the subjects on which this process gets answers and messages.
// Users share _INBOX, where the answers to each of them arrive, but not this.
const ownInbox = "_LAKEWARD"

// permissions are what the server lets a user do; nil: everything.
func (u User) permissions() *natsd.Permissions {
	switch u.Role {
	case RoleAdmin:
		return nil
	case RoleRead:
		return &natsd.Permissions{
			Publish: &natsd.SubjectPermission{Allow: []string{
				"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*",
				"$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.>",
				"$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.DURABLE.CREATE.>", "$JS.API.CONSUMER.INFO.>",
				"$JS.API.CONSUMER.NAMES.>", "$JS.API.CONSUMER.LIST.>", "$JS.API.CONSUMER.MSG.NEXT.>",
				"$JS.ACK.>", "$JS.FC.>",
			}},
			Subscribe: &natsd.SubjectPermission{Allow: []string{">"}, Deny: []string{ownInbox + ".>"}},
		}
	}
	return &natsd.Permissions{
		// A source may take every subject, but never the server's own.
		Publish: &natsd.SubjectPermission{Allow: u.Subjects,
			Deny: []string{"$JS.>", "$SYS.>", "$KV.>", "$O.>", "_INBOX.>", ownInbox + ".>"}},
		Subscribe: &natsd.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}
}
