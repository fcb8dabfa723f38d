package event

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// ID names an entity: 24 lower-case hex digits, the text form of a MongoDB ObjectID. The zero value
// names nothing.
type ID string

// NewID returns a new id for an entity created at the given time. Ids made by one process sort by that
// time, to the nanosecond; 34 random bits keep apart those made in the same nanosecond. The first
// four bytes are the seconds since 1970, as in any ObjectID.
func NewID(at time.Time) ID {
	var random [8]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	var b [12]byte
	binary.BigEndian.PutUint32(b[:4], uint32(at.Unix()))
	tail := uint64(at.Nanosecond())<<34 | binary.BigEndian.Uint64(random[:])>>30
	binary.BigEndian.PutUint64(b[4:], tail)
	return ID(hex.EncodeToString(b[:]))
}

// ParseID checks that s is an id. Upper-case digits are refused, as one entity must have one id.
func ParseID(s string) (ID, error) {
	if len(s) != 24 {
		return "", errors.New("must be 24 hex digits")
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", errors.New("must be 24 lower-case hex digits")
		}
	}
	return ID(s), nil
}

// UnmarshalJSON accepts what ParseID accepts, as a JSON string.
func (id *ID) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return errors.New("must be a string of 24 hex digits")
	}
	parsed, err := ParseID(s)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
