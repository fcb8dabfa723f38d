package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"ticketing/pkg/fault"
)

// SetETag names the version of the entity in the answer: version 7 is the strong tag "7".
func SetETag(w http.ResponseWriter, version int64) {
	w.Header().Set("ETag", `"`+strconv.FormatInt(version, 10)+`"`)
}

// IfMatch reads the precondition of a change. With ok the entity must stand at version, or
// the change is Stale; without ok and without an error there is no condition: no header, or "*",
// which every existing entity meets.
//
// A list may hold weak tags and tags that no version has. Those match nothing, as If-Match compares
// strongly (RFC 9110, 13.1.1): where nothing else is listed the condition cannot hold and the error is
// Stale. What is not a list of entity tags at all is Invalid: ignoring it would lose the update that
// the client wanted to guard against. A list of several versions is Invalid too, as one change
// starts from one version.
func IfMatch(r *http.Request) (version int64, ok bool, err error) {
	lines := r.Header.Values("If-Match")
	header := strings.Join(lines, ",")
	if len(lines) == 0 || strings.Trim(header, " \t") == "*" {
		return 0, false, nil
	}
	tags, valid := splitTags(header)
	if !valid {
		return 0, false, fault.New(fault.Invalid, `If-Match must be an entity tag such as "7"`)
	}
	for _, tag := range tags {
		v, isVersion := versionOf(tag)
		if !isVersion {
			continue
		}
		if ok && v != version {
			return 0, false, fault.New(fault.Invalid, "If-Match must name one version")
		}
		version, ok = v, true
	}
	if !ok {
		return 0, false, fault.New(fault.Stale, "If-Match names no version of this")
	}
	return version, true, nil
}

// splitTags takes a list of entity tags apart: #entity-tag of RFC 9110, 8.8.3. Empty elements are
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

// versionOf returns the version a tag of SetETag names.
func versionOf(tag string) (int64, bool) {
	if tag[0] != '"' {
		return 0, false
	}
	digits := tag[1 : len(tag)-1]
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || v < 0 || strconv.FormatInt(v, 10) != digits {
		return 0, false
	}
	return v, true
}
