package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"

	"ticketing/pkg/replica"
)

// What a difference can be.
const (
	behind       = "behind"
	ahead        = "ahead of its source"
	otherContent = "other content"
	unknown      = "unknown to its source"
)

// difference is one entity whose replica is not as its source.
type difference struct {
	ID string `json:"id"`
	// Source and Replica are the versions; nil if there is none.
	Source  *int64 `json:"source"`
	Replica *int64 `json:"replica"`
	What    string `json:"what"`
	// Outcome is what came of mending it; empty if that was not asked for.
	Outcome string `json:"outcome,omitempty"`
}

// document is an entity as its source shows it.
type document struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	body    json.RawMessage
}

// compare returns how a replica differs from its source; nil if it does not. Either may be nil. Content is compared
// field by field, over the fields that either side has.
func compare(id string, source *document, mine *replica.Item) *difference {
	d := &difference{ID: id}
	if source != nil {
		d.Source = &source.Version
	}
	if mine != nil {
		version := int64(mine.Version)
		d.Replica = &version
	}
	switch {
	case source == nil && mine == nil:
		return nil
	case source == nil:
		d.What = unknown
	case mine == nil || *d.Replica < *d.Source:
		d.What = behind
	case *d.Replica > *d.Source:
		d.What = ahead
	case !sameContent(source.body, mine.State):
		d.What = otherContent
	default:
		return nil
	}
	return d
}

// ticketStatus is what tickets shows of a ticket and no event carries: it follows from orderId, and from what only
// tickets has to know.
const ticketStatus = "status"

// sameContent compares all fields but the id and the version, which are compared on their own. A field that one side
// lacks counts as its zero value: so one that was added later, and has its default, is no difference.
func sameContent(source, state json.RawMessage) bool {
	var theirs, mine map[string]any // values: one side may escape what the other does not
	if json.Unmarshal(source, &theirs) != nil || json.Unmarshal(state, &mine) != nil {
		return false
	}
	if _, kept := mine[ticketStatus]; !kept {
		delete(theirs, ticketStatus)
	}
	for _, fields := range []map[string]any{theirs, mine} {
		delete(fields, "id")
		delete(fields, "version")
		prune(fields)
	}
	return maps.EqualFunc(theirs, mine, func(a, b any) bool { return reflect.DeepEqual(a, b) }) // nil is empty
}

// prune removes the fields that have their zero value from decoded JSON, in nested objects too. It reports whether
// value is a zero value then: null, false, 0, "", or an array or object with nothing in it.
func prune(value any) (zero bool) {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, field any) bool { return prune(field) })
		return len(v) == 0
	case []any:
		for _, item := range v {
			prune(item)
		}
		return len(v) == 0
	}
	return reflect.ValueOf(value).IsZero()
}

// comparison knows where both sides are.
type comparison struct {
	source  string
	kind    string
	service admin
}

// compareAll walks both lists, which are in the order of ids, side by side. The differences it finds are only suspects,
// because both sides change while they are read.
func (c comparison) compareAll(ctx context.Context) (checked int, suspects []difference, err error) {
	sources := &pages[document]{next: func(ctx context.Context, query string) ([]document, string, error) {
		return c.sourcePage(ctx, query)
	}}
	replicas := &pages[replica.Item]{next: func(ctx context.Context, query string) (items []replica.Item, next string, err error) {
		next, err = c.service.ask(ctx, http.MethodGet, "/replicas/"+c.kind+"?"+query, &items)
		return items, next, err
	}}
	for {
		theirs, err := sources.peek(ctx)
		if err != nil {
			return checked, nil, err
		}
		mine, err := replicas.peek(ctx)
		if err != nil {
			return checked, nil, err
		}
		if theirs == nil && mine == nil {
			return checked, suspects, nil
		}
		id, theirs, mine := first(theirs, mine)
		if theirs != nil {
			sources.drop()
		}
		if mine != nil {
			replicas.drop()
		}
		checked++
		if d := compare(id, theirs, mine); d != nil {
			suspects = append(suspects, *d)
		}
	}
}

// first returns the smaller of two ids, and those of the two that have it.
func first(theirs *document, mine *replica.Item) (string, *document, *replica.Item) {
	switch {
	case theirs == nil:
		return string(mine.ID), nil, mine
	case mine == nil || theirs.ID < string(mine.ID):
		return theirs.ID, theirs, nil
	case theirs.ID > string(mine.ID):
		return string(mine.ID), nil, mine
	}
	return theirs.ID, theirs, mine
}

// compareOne reads one entity, its source last, so that a replica cannot seem ahead because it was read later.
func (c comparison) compareOne(ctx context.Context, id string) (*difference, error) {
	var mine *replica.Item
	var item replica.Item
	_, err := c.service.ask(ctx, http.MethodGet, "/replicas/"+c.kind+"/"+id, &item)
	var status statusError
	switch {
	case err == nil:
		mine = &item
	case !errors.As(err, &status) || status.code != http.StatusNotFound:
		return nil, err
	}
	body, err := c.readSource(ctx, id)
	if err != nil || body == nil {
		return compare(id, nil, mine), err
	}
	theirs := &document{body: body}
	if err := json.Unmarshal(body, theirs); err != nil {
		return nil, fmt.Errorf("read %s at its source: %w", id, err)
	}
	return compare(id, theirs, mine), nil
}

// readSource returns the entity's document, nil if there is none.
func (c comparison) readSource(ctx context.Context, id string) (json.RawMessage, error) {
	var body json.RawMessage
	_, err := c.at(c.source).ask(ctx, http.MethodGet, "/"+id, &body)
	var status statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return nil, nil
	}
	return body, err
}

func (c comparison) sourcePage(ctx context.Context, query string) (documents []document, next string, err error) {
	var bodies []json.RawMessage
	if _, given, ok := strings.Cut(c.source, "?"); ok {
		query = given + "&" + query
	}
	if next, err = c.at(c.source).ask(ctx, http.MethodGet, "?"+query, &bodies); err != nil {
		return nil, "", err
	}
	for _, body := range bodies {
		d := document{body: body}
		if err := json.Unmarshal(body, &d); err != nil {
			return nil, "", fmt.Errorf("read the list of %s: %w", c.source, err)
		}
		documents = append(documents, d)
	}
	return documents, next, nil
}

// at asks at a URL, without its query.
func (c comparison) at(url string) admin {
	path, _, _ := strings.Cut(url, "?")
	return admin{URL: strings.TrimRight(path, "/"), Timeout: c.service.Timeout}
}

// pages is a list that is read page by page as its items are taken.
type pages[T any] struct {
	next  func(ctx context.Context, query string) (items []T, nextQuery string, err error)
	items []T
	query string
	begun bool
}

// peek returns the next item, nil at the end.
func (p *pages[T]) peek(ctx context.Context) (*T, error) {
	for len(p.items) == 0 {
		if p.begun && p.query == "" {
			return nil, nil
		}
		query := p.query
		if !p.begun {
			query = "limit=200"
		}
		items, next, err := p.next(ctx, query)
		if err != nil {
			return nil, err
		}
		p.items, p.query, p.begun = items, next, true
	}
	return &p.items[0], nil
}

// drop takes the item that peek has shown.
func (p *pages[T]) drop() { p.items = p.items[1:] }
