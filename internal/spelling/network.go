package spelling

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Network is a network of addresses, such as 10.0.0.0/8.
type Network struct {
	prefix     netip.Prefix
	four       bool
	base, mask uint32 // of IPv4
}

// ParseNetwork reads ADDRESS/BITS, or an address alone, which is a network of
// one. An IPv4 network that is mapped into IPv6 is that IPv4 network.
func ParseNetwork(text string) (Network, error) {
	text = strings.TrimSpace(text)
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, aerr := netip.ParseAddr(text)
		if aerr != nil || a.Zone() != "" {
			return Network{}, fmt.Errorf("%q is not a network: write it as 10.0.0.0/8 or 2001:db8::/32", text)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	n := Network{prefix: p.Masked(), four: p.Addr().Is4()}
	if n.four {
		b := n.prefix.Addr().As4()
		n.base, n.mask = binary.BigEndian.Uint32(b[:]), uint32(uint64(1)<<32-uint64(1)<<(32-p.Bits()))
	}
	return n, nil
}

// Has reports whether an address, in any spelling that Address knows, is in the
// network; ok is false if the text is not an address.
func (n Network) Has(text string) (in, ok bool) {
	if four, ok := parse4(text); ok {
		return n.four && four&n.mask == n.base, true
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		text, _ = Address(text)
		if a, err = netip.ParseAddr(text); err != nil {
			return false, false
		}
	}
	return n.prefix.Contains(a.Unmap().WithZone("")), true
}

// parse4 reads a plain IPv4 address.
func parse4(text string) (address uint32, ok bool) {
	dots, value, length := 0, uint32(0), 0
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			if length > 0 && value == 0 {
				return 0, false // padded
			}
			value = value*10 + uint32(c-'0')
			if length++; value > 255 {
				return 0, false
			}
		case c == '.' && length > 0 && dots < 3:
			address = address<<8 | value
			dots, value, length = dots+1, 0, 0
		default:
			return 0, false
		}
	}
	return address<<8 | value, dots == 3 && length > 0
}
