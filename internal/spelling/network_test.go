package spelling

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAnAddressIsInItsNetworks(t *testing.T) {
	for _, c := range []struct {
		address, network string
		in, ok           bool
	}{
		{"10.1.2.3", "10.0.0.0/8", true, true},
		{"11.1.2.3", "10.0.0.0/8", false, true},
		{"10.127.255.255", "10.0.0.0/9", true, true},
		{"10.128.0.0", "10.0.0.0/9", false, true},
		{"10.1.2.3", "10.99.0.1/8", true, true}, // the bits behind are nobody's
		{"192.0.2.1", "192.0.2.1", true, true},
		{"192.0.2.1", "192.0.2.1/32", true, true},
		{"192.0.2.2", "192.0.2.1/32", false, true},
		{"255.255.255.255", "0.0.0.0/0", true, true},
		{"0.0.0.0", "0.0.0.0/0", true, true},
		{"2001:db8::1", "0.0.0.0/0", false, true},
		{"10.1.2.3", "::/0", false, true},
		{"2001:DB8:0::1", "2001:db8::/32", true, true},
		{"2001:db9::1", "2001:db8::/32", false, true},
		{"fe80::1%eth0", "fe80::/10", true, true},
		{"::", "::/128", true, true},
		{"::ffff:10.1.2.3", "10.0.0.0/8", true, true},
		{"::FFFF:0a01:0203", "10.0.0.0/8", true, true},
		{"10.1.2.3", "::ffff:10.0.0.0/104", true, true},
		{"10.1.2.3:443", "10.0.0.0/8", true, true},
		{"[2001:db8::1]:443", "2001:db8::/32", true, true},
		{"010.001.002.003", "10.0.0.0/8", true, true},
		{" 10.1.2.3 ", " 10.0.0.0/8 ", true, true},
		{"", "10.0.0.0/8", false, false},
		{"-", "10.0.0.0/8", false, false},
		{"10.1.2", "10.0.0.0/8", false, false},
		{"10.1.2.256", "10.0.0.0/8", false, false},
		{"10.1.2.3.4", "10.0.0.0/8", false, false},
		{"10..2.3", "10.0.0.0/8", false, false},
		{"host", "10.0.0.0/8", false, false},
		{strings.Repeat(":", 1<<20), "::/0", false, false},
		{strings.Repeat("1", 1<<20), "0.0.0.0/0", false, false},
		{"1.2.3.4\x00", "0.0.0.0/0", true, true}, // has no width
		{"\xff\xfe", "0.0.0.0/0", false, false},
	} {
		n, err := ParseNetwork(c.network)
		if err != nil {
			t.Fatal(err)
		}
		if in, ok := n.Has(c.address); in != c.in || ok != c.ok {
			t.Errorf("%.40q in %s: %v, %v", c.address, c.network, in, ok)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "::/129", "fe80::1%eth0", "lan", "10.0.0.0/8/8"} {
		if _, err := ParseNetwork(bad); err == nil {
			t.Errorf("%q is a network", bad)
		}
	}
}

// FuzzSpelling: a spelling is its own spelling, and one place is in the networks
// that the standard library says it is in.
func FuzzSpelling(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "[2001:db8::1]:443", "::ffff:1.2.3.4", "Ada", "N/A", "1:2", "::a:", "fe80::1%x"} {
		f.Add(seed)
	}
	networks := []string{"10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/33", "192.0.2.1"}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?") // the engine has no other
		if one, ok := Name(text); ok && caseless(one) == one {
			if again, ok := Name(one); !ok || again != one {
				t.Errorf("%q is %q, which is %q", text, one, again)
			}
		}
		Address(text)
		Said(text)
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return
		}
		for _, s := range networks {
			n, err := ParseNetwork(s)
			if err != nil {
				t.Fatal(err)
			}
			want := n.prefix.Contains(a.Unmap())
			if in, ok := n.Has(text); !ok || in != want {
				t.Errorf("%q in %s: %v, %v", text, s, in, ok)
			}
		}
	})
}
