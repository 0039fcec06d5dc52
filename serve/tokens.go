package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/lakeward/lakeward/internal/livefile"
)

// Role is what somebody may do.
type Role string

// The roles; each includes those before it.
const (
	RoleRead  Role = "read"
	RoleWrite Role = "write"
	RoleAdmin Role = "admin"
)

func (r Role) rank() int {
	switch r {
	case RoleRead:
		return 1
	case RoleWrite:
		return 2
	case RoleAdmin:
		return 3
	default:
		return 0
	}
}

func (r Role) includes(needed Role) bool { return r.rank() >= needed.rank() }

// Token lets whoever presents it do what its role allows. Exactly one of
// Secret, File and SHA256 is set.
type Token struct {
	Name   string
	Role   Role
	Secret string
	File   string // holds the token; read again when it changes
	SHA256 string // of the token, in hexadecimal
}

// minToken is the least length of a token, in bytes.
const minToken = 16

// Identity is who asks.
type Identity struct {
	Name   string // of the token, or local
	Role   Role
	Remote string // address
}

// localName is whoever asks a server without tokens.
const localName = "local"

type identityKey struct{}

func withIdentity(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

func identityOf(ctx context.Context) Identity {
	id, _ := ctx.Value(identityKey{}).(Identity)
	return id
}

// keyring knows tokens by their digests.
type keyring struct {
	tokens  []Token
	digests *livefile.Value[[][sha256.Size]byte] // in the order of tokens
}

func newKeyring(tokens []Token, now func() time.Time, log *slog.Logger) (*keyring, error) {
	var paths []string
	for _, t := range tokens {
		if t.File != "" {
			paths = append(paths, t.File)
		}
	}
	l, err := livefile.New(paths, func(contents [][]byte) ([][sha256.Size]byte, error) {
		out := make([][sha256.Size]byte, len(tokens))
		var err error
		for i, t := range tokens {
			if t.File != "" {
				t.Secret, contents = strings.TrimSpace(string(contents[0])), contents[1:]
			}
			if out[i], err = digest(t); err != nil {
				return nil, err
			}
		}
		return out, nil
	}, now, log)
	if err != nil {
		return nil, fmt.Errorf("read http.tokens: %w", err)
	}
	return &keyring{tokens: tokens, digests: l}, nil
}

func digest(t Token) (sum [sha256.Size]byte, err error) {
	if t.SHA256 != "" {
		b, err := hex.DecodeString(t.SHA256)
		if err != nil || len(b) != len(sum) {
			return sum, fmt.Errorf("sha256 of the token %s is not 64 hexadecimal digits", t.Name)
		}
		return [sha256.Size]byte(b), nil
	}
	if len(t.Secret) < minToken {
		return sum, fmt.Errorf("the token %s has fewer than %d characters: make one with `openssl rand -hex 32`", t.Name,
			minToken)
	}
	return sha256.Sum256([]byte(t.Secret)), nil
}

// find returns the token with this secret. Digests are compared, all of them,
// so that the time taken tells nothing of any.
func (k *keyring) find(secret string) (Token, bool) {
	sum := sha256.Sum256([]byte(secret))
	found := -1
	for i, d := range k.digests.Get() {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], d[:]), i, found)
	}
	if found < 0 {
		return Token{}, false
	}
	return k.tokens[found], true
}
