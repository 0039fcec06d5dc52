package config

import (
	"time"

	"github.com/lakeward/lakeward/config/strict"
)

func natsType() strict.Type[NATS] {
	type N = NATS
	return strict.Object(
		strict.F("url", strict.URL("nats", "tls", "ws", "wss"), func(n *N) *string { return &n.URL },
			"Address of a NATS server, or several separated by commas. Without it a server with JetStream runs inside the "+
				"process."),
		strict.F("embedded", embeddedType(), func(n *N) *Embedded { return &n.Embedded },
			"The server inside the process; without effect if `nats.url` is set."),
		strict.F("creds", strict.NonEmpty(), func(n *N) *string { return &n.Creds }, "Credentials file (JWT and seed)."),
		strict.F("nkey", strict.NonEmpty(), func(n *N) *string { return &n.NKey }, "File with an NKey seed."),
		strict.F("user", strict.NonEmpty(), func(n *N) *string { return &n.User }, "User name."),
		strict.F("password", strict.Hidden(), func(n *N) *Secret { return &n.Password }, "Password of `nats.user`."),
		strict.F("token", strict.Hidden(), func(n *N) *Secret { return &n.Token }, "Token."),
		strict.F("tls", strict.Object(
			strict.F("ca", strict.NonEmpty(), func(t *TLS) *string { return &t.CA }, "File with the authorities that sign "+
				"the server's certificate. Without it: the host's."),
			strict.F("cert", strict.NonEmpty(), func(t *TLS) *string { return &t.Cert }, "File with the client's certificate."),
			strict.F("key", strict.NonEmpty(), func(t *TLS) *string { return &t.Key }, "File with the client's key."),
		), func(n *N) *TLS { return &n.TLS }, "TLS of the connection."),
	)
}

func embeddedType() strict.Type[Embedded] {
	type E = Embedded
	return strict.Object(
		strict.F("host", strict.NonEmpty(), func(e *E) *string { return &e.Host }, "Address that the embedded server "+
			"listens on. One that is not loopback needs `tls` and `users`.").Default("127.0.0.1"),
		strict.F("port", strict.Int(-1, 65535), func(e *E) *int { return &e.Port },
			"Port; -1 is any free one.").Default("4222"),
		strict.F("store_dir", strict.NonEmpty(), func(e *E) *string { return &e.StoreDir },
			"Directory of its streams. Without it: `nats` in `data_dir`."),
		strict.F("sync", strict.Enum(SyncInterval, SyncAlways), func(e *E) *Sync { return &e.Sync },
			"`interval`: what was acknowledged within the last `sync_interval` is lost if the machine loses power (a killed "+
				"process loses nothing). `always`: nothing is, at about a thirtieth of the rate.").Default("interval"),
		strict.F("sync_interval", strict.Duration(10*time.Millisecond, time.Hour),
			func(e *E) *time.Duration { return &e.SyncInterval }, "How often writes reach the disk with `sync: interval`. "+
				"NATS's own default is 2m.").Default("1s"),
		strict.F("max_payload", strict.Size(1<<10, 64<<20), func(e *E) *int64 { return &e.MaxPayload },
			"Largest message.").Default("8MiB"),
		strict.F("max_bytes", strict.Size(0, most), func(e *E) *int64 { return &e.MaxBytes },
			"Most that the stream holds; beyond it publishing fails rather than that events are dropped. `0B`: as the disk "+
				"allows.").Default("0B"),
		strict.F("keep", strict.Int[int64](0, most), func(e *E) *int64 { return &e.Keep },
			"Messages that the stream keeps after they are committed to the lake.").Default("100000"),
		strict.F("insecure", strict.Bool(), func(e *E) *bool { return &e.Insecure },
			"Allow an address that is not loopback without `tls` or without `users`: whoever reaches it can publish, read "+
				"and delete events.").Default("false"),
		strict.F("tls", strict.Object(
			strict.F("cert", strict.NonEmpty(), func(k *KeyPair) *string { return &k.Cert },
				"File with the server's certificate in PEM; read again when it changes."),
			strict.F("key", strict.NonEmpty(), func(k *KeyPair) *string { return &k.Key },
				"File with the certificate's key in PEM; read again like it."),
		), func(e *E) *KeyPair { return &e.TLS }, "TLS for the server's clients."),
		strict.F("users", strict.List(natsUserType()), func(e *E) *[]NATSUser { return &e.Users },
			"Who may connect; without any, everybody. Commands sign in by `nats.user` and `nats.password`, `nats.nkey`, or "+
				"their variables."),
	)
}

func natsUserType() strict.Type[NATSUser] {
	type U = NATSUser
	return strict.Checked(strict.Object(
		strict.F("user", strict.NonEmpty(), func(u *U) *string { return &u.User }, "User name."),
		strict.F("password", strict.Hidden(), func(u *U) *Secret { return &u.Password },
			"Password of `user`, or its bcrypt hash."),
		strict.F("nkey", strict.NonEmpty(), func(u *U) *string { return &u.NKey },
			"Public NKey of a user, in place of both."),
		strict.F("role", strict.Enum(NATSPublish, NATSRead, NATSAdmin), func(u *U) *NATSRole { return &u.Role },
			"What the user may do. `publish`: only that, on `subjects`. `read`: read streams, by consumers too, and neither "+
				"publish nor change them. `admin`: everything, purging and deleting streams included.").Default("publish"),
		strict.F("subjects", strict.List(filterText()), func(u *U) *[]string { return &u.Subjects },
			"Subjects that a user with the role `publish` may publish on; `*` is one token, `>` the rest. Without it: those "+
				"of `sources`."),
	), func(u NATSUser) (what, remedy string) {
		if (u.User == "") != (u.Password == "") || (u.User == "") == (u.NKey == "") {
			return "this says neither one user nor one key", "give `user` and `password`, or `nkey`"
		}
		if len(u.Subjects) > 0 && u.Role != NATSPublish {
			return "`subjects` are given to a user with the role `" + string(u.Role) + "`",
				"remove `subjects`, or give the role `publish`"
		}
		return "", ""
	})
}

// checkNATS finds what no single key shows.
func checkNATS(doc *strict.Document, n NATS) Problems {
	var ps Problems
	report := func(what, remedy string, path ...string) {
		ps = append(ps, strict.Problem{Pos: doc.At(append([]string{"nats"}, path...)...), What: what, Remedy: remedy})
	}
	ways := 0
	for _, given := range []bool{n.Creds != "", n.NKey != "", n.User != "" || n.Password != "", n.Token != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		report("several ways to sign in to NATS are given",
			"keep one of `creds`, `nkey`, `user` with `password`, and `token`")
	case (n.User == "") != (n.Password == ""):
		report("`user` and `password` belong together", "give both")
	}
	e := n.Embedded
	if !n.External() && (ways > 0 && len(e.Users) == 0 || n.TLS != TLS{} && e.TLS == KeyPair{}) {
		report("credentials or TLS are given, and the embedded server asks for none",
			"set `nats.url`, or `nats.embedded.users` and `nats.embedded.tls`, or remove them")
	}
	if (n.TLS.Cert == "") != (n.TLS.Key == "") {
		report("`cert` and `key` belong together", "give both", "tls")
	}
	if (e.TLS.Cert == "") != (e.TLS.Key == "") {
		report("`cert` and `key` belong together", "give both", "embedded", "tls")
	}
	if n.External() || e.Insecure || e.Host == "" || IsLoopback(e.Host) {
		return ps
	}
	if missing := missingGuards(e.TLS.Cert != "", len(e.Users) > 0, "users"); missing != "" {
		report("`"+e.Host+"` is not a loopback address, and the embedded server has "+missing,
			"set `nats.embedded.tls` and `nats.embedded.users`, or use 127.0.0.1, or set `nats.embedded.insecure: true` "+
				"where the network itself is trusted", "embedded", "host")
	}
	return ps
}

// missingGuards names what an address beyond loopback lacks.
func missingGuards(tls, people bool, who string) string {
	switch {
	case !tls && !people:
		return "no TLS and no " + who
	case !tls:
		return "no TLS"
	case !people:
		return "no " + who
	}
	return ""
}
