package spelling

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Address is the one spelling of an address: without port, brackets and zone,
// IPv6 as RFC 5952 has it, and an IPv4 address that is mapped into IPv6, or
// padded with zeros, as IPv4. What is not an address is a name. It is false for
// nobody.
func Address(text string) (string, bool) {
	if isDotted(text) {
		return text, true
	}
	text = caseless(text)
	if !isDotted(text) {
		switch {
		case strings.IndexByte(text, ':') >= 0:
			text = address6(text)
		case padded.MatchString(text):
			text = unpadded(text)
		}
	}
	return text, text != "" && !isPlaceholder(text, nobody)
}

// isDotted reports whether a text is a plain IPv4 address, or at least made of
// digits and dots in a way that leaves nothing to respell.
func isDotted(text string) bool {
	if text == "" || text[0] < '1' || text[0] > '9' {
		return false
	}
	for i := 1; i < len(text); i++ {
		c := text[i]
		if c != '.' && (c < '0' || c > '9') {
			return false
		}
		if c == '0' && text[i-1] == '.' && i+1 < len(text) && text[i+1] != '.' {
			return false
		}
	}
	return true
}

var (
	padded   = regexp.MustCompile(`^[0-9]{1,3}([.][0-9]{1,3}){3}$`)
	withPort = regexp.MustCompile(`^[0-9]+([.][0-9]+){3}:[0-9]+$`)
	bracket  = regexp.MustCompile(`^\[([^\]]*)\](:[0-9]+)?$`)
	six      = regexp.MustCompile(`^([0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}|[0-9a-f:]*:[0-9]{1,3}([.][0-9]{1,3}){3})$`)
)

func unpadded(text string) string {
	parts := strings.Split(text, ".")
	for i, p := range parts {
		parts[i] = digits(p)
	}
	return strings.Join(parts, ".")
}

// digits is a number without leading zeros.
func digits(s string) string {
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return s
}

// address6 is the spelling of what has a colon.
func address6(text string) string {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap().WithZone("").String()
	}
	if m := bracket.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	text, _, _ = strings.Cut(text, "%")
	if withPort.MatchString(text) {
		text, _, _ = strings.Cut(text, ":")
		return text
	}
	if !six.MatchString(text) || strings.Contains(text, ":::") || strings.Count(text, "::") > 1 {
		return text
	}
	groups, ok := groupsOf(text)
	if !ok {
		return text
	}
	if four, ok := mapped(groups); ok {
		return four
	}
	return shortest(groups)
}

// groupsOf are the eight groups of an IPv6 address; not ok if there are not
// eight. The end may be written as IPv4.
func groupsOf(text string) ([]string, bool) {
	if i := strings.LastIndexByte(text, ':'); strings.IndexByte(text, '.') >= 0 {
		var p [4]int64
		for k, s := range strings.SplitN(text[i+1:], ".", len(p)) {
			p[k], _ = strconv.ParseInt(s, 10, 64) // up to three digits: the pattern says so
		}
		text = fmt.Sprintf("%s%x:%x", text[:i+1], p[0]*256+p[1], p[2]*256+p[3])
	}
	left, right, short := strings.Cut(text, "::")
	if !short {
		groups := strings.Split(text, ":")
		return groups, len(groups) == 8
	}
	groups, behind := side(left), side(right)
	for len(groups)+len(behind) < 8 {
		groups = append(groups, "0")
	}
	groups = append(groups, behind...)
	return groups, len(groups) == 8
}

// side are the groups beside the zeros that were left out.
func side(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ':' })
}

// mapped is the IPv4 address that is mapped into an IPv6 one.
func mapped(groups []string) (string, bool) {
	for _, g := range groups[:5] {
		if strings.Trim(g, "0") != "" {
			return "", false
		}
	}
	if groups[5] != "ffff" {
		return "", false
	}
	high, err := strconv.ParseInt(groups[6], 16, 64)
	if err != nil {
		return "", true
	}
	low, err := strconv.ParseInt(groups[7], 16, 64)
	if err != nil {
		return "", true
	}
	return fmt.Sprintf("%d.%d.%d.%d", high/256, high%256, low/256, low%256), true
}

// shortest leaves out the first of the longest runs of zeros, if it is longer
// than one.
func shortest(groups []string) string {
	at, most := 0, 1
	for i := range groups {
		groups[i] = digits(groups[i])
		n := 0
		for i+n < len(groups) && digits(groups[i+n]) == "0" {
			n++
		}
		if n > most {
			at, most = i, n
		}
	}
	if most < 2 {
		return strings.Join(groups, ":")
	}
	return strings.Join(groups[:at], ":") + "::" + strings.Join(groups[at+most:], ":")
}
