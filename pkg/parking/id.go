package parking

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"ticketing/pkg/event"
)

// ID returns the id of an event in this lot, from its entity, version, channel and content. The ids of one entity's
// events sort by version.
func (l *Lot) ID(e Entry) string {
	h := sha256.New()
	for _, part := range []string{l.name, e.Entity, e.Channel} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(e.Data)
	digest := hex.EncodeToString(h.Sum(nil))[:24]
	if e.Version < 0 {
		return digest
	}
	return byVersion(e.Version) + "-" + digest
}

// byVersion writes a version so that text order is version order: a letter for the number of digits, then those.
func byVersion(version event.Version) string {
	digits := strconv.FormatInt(int64(version), 10)
	return string(rune('a'+len(digits)-1)) + digits
}

func hashOf(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}
