package spelling

import "testing"

func BenchmarkSpelling(b *testing.B) {
	for _, c := range []struct {
		name  string
		texts []string
		spell func(string) (string, bool)
	}{
		{"Name", []string{"user123", "ada@example.com", "robert", "natasha.u", "svc-backup"}, Name},
		{"NameToFold", []string{"User123", "Ada@Example.com", "ROBERT", " nora ", "N/A"}, Name},
		{"Address", []string{"10.1.2.3", "192.168.100.200", "203.0.113.9"}, Address},
		{"AddressToFold", []string{"2001:DB8::1", "[2001:db8::1]:443", "::ffff:10.1.2.3", "010.1.2.3"}, Address},
	} {
		b.Run(c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				c.spell(c.texts[i%len(c.texts)])
			}
		})
	}
}
