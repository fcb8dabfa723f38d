package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
)

// SetETag names the version of the entity in the answer: version 7 is the strong tag "7".
func SetETag(w http.ResponseWriter, version event.Version) {
	w.Header().Set("ETag", `"`+strconv.FormatInt(int64(version), 10)+`"`)
}

// Precondition is the If-Match condition of a request to change an entity. The zero Precondition always holds.
type Precondition struct {
	version     event.Version
	conditional bool
}

// ParsePrecondition reads the If-Match header. A request without one, or with "*", has no condition.
//
// A list may hold weak tags and tags that no version has. They match nothing, because If-Match compares strongly
// (RFC 9110, 13.1.1). If the list holds nothing else, the condition cannot hold and the error is a Stale fault.
// Anything that is not a list of entity tags is an Invalid fault: to ignore it would lose the update that the client
// wanted to guard against. A list of several versions is Invalid too, because a change starts from one version.
func ParsePrecondition(r *http.Request) (Precondition, error) {
	lines := r.Header.Values("If-Match")
	header := strings.Join(lines, ",")
	if len(lines) == 0 || strings.Trim(header, " \t") == "*" {
		return Precondition{}, nil
	}
	tags, valid := splitTags(header)
	if !valid {
		return Precondition{}, fault.New(fault.Invalid, `If-Match must be an entity tag such as "7"`)
	}
	var p Precondition
	for _, tag := range tags {
		version, isVersion := versionOf(tag)
		if !isVersion {
			continue
		}
		if p.conditional && version != p.version {
			return Precondition{}, fault.New(fault.Invalid, "If-Match must name one version")
		}
		p = Precondition{version: version, conditional: true}
	}
	if !p.conditional {
		return Precondition{}, fault.New(fault.Stale, "If-Match names no version of this")
	}
	return p, nil
}

// Check returns the outcome of a rule under the condition. It is a Stale fault if the entity stands at another version
// than the request names, whatever the rule decided. Only a Forbidden fault comes before it: who may not change
// the entity does not learn its version. The message calls the entity by its kind, "ticket".
//
//	edited, err := ticket.State.Edit(user, draft)
//	return edited, precondition.Check("ticket", ticket.Version, err)
func (p Precondition) Check(kind string, version event.Version, outcome error) error {
	if p.conditional && version != p.version && fault.KindOf(outcome) != fault.Forbidden {
		return fault.New(fault.Stale, "the "+kind+" has been changed since it was read")
	}
	return outcome
}

// splitTags returns the elements of a list of entity tags (#entity-tag of RFC 9110, 8.8.3). Empty elements are
// allowed, an empty list is not.
func splitTags(list string) (tags []string, valid bool) {
	rest := list
	for {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			return tags, len(tags) > 0
		}
		n := tagLength(rest)
		if n == 0 {
			return nil, false
		}
		tags = append(tags, rest[:n])
		rest = strings.TrimLeft(rest[n:], " \t")
		if rest != "" && rest[0] != ',' {
			return nil, false
		}
	}
}

// tagLength returns the length of the entity tag that s starts with, or 0.
func tagLength(s string) int {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = len("W/")
	}
	if start >= len(s) || s[start] != '"' {
		return 0
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c <= ' ' || c == 0x7f:
			return 0
		}
	}
	return 0
}

// versionOf returns the version that a tag of SetETag names.
func versionOf(tag string) (event.Version, bool) {
	if tag[0] != '"' {
		return 0, false
	}
	digits := tag[1 : len(tag)-1]
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || v < 0 || strconv.FormatInt(v, 10) != digits {
		return 0, false
	}
	return event.Version(v), true
}
