package tickets

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
)

const (
	ticketID = event.ID("65a1b2c3d4e5f60718293a4b")
	seller   = event.ID("65a1b2c3d4e5f60718293a00")
	stranger = event.ID("65a1b2c3d4e5f60718293a01")
	orderID  = event.ID("65a1b2c3d4e5f60718293aff")
)

// drafts are drafts and the fields that are wrong with them, the same for a new ticket and for an edit.
var drafts = []struct {
	name  string
	draft Draft
	wrong []string
}{
	{"plain", Draft{"concert", 2000}, nil},
	{"one cent", Draft{"concert", 1}, nil},
	{"the highest price", Draft{"concert", Asked(event.MaxPrice)}, nil},
	{"one character", Draft{"x", 1}, nil},
	{"the longest title", Draft{strings.Repeat("x", 200), 1}, nil},
	{"the longest title, of wide characters", Draft{strings.Repeat("音", 200), 1}, nil},
	{"markup", Draft{`Rock & Roll <live> "now"`, 1}, nil},
	{"no title", Draft{"", 1}, []string{"title"}},
	{"a blank title", Draft{" \t\n\u00a0\u3000", 1}, []string{"title"}},
	{"a title that is one too long", Draft{strings.Repeat("音", 201), 1}, []string{"title"}},
	{"a title of 10,000 characters", Draft{strings.Repeat("x", 10_000), 1}, []string{"title"}},
	{"no price", Draft{"concert", 0}, []string{"price"}},
	{"a negative price", Draft{"concert", -1}, []string{"price"}},
	{"a price that is one cent too high", Draft{"concert", Asked(event.MaxPrice + 1)}, []string{"price"}},
	{"nothing", Draft{}, []string{"title", "price"}},
}

func TestOffer(t *testing.T) {
	for _, tt := range drafts {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Offer(seller, tt.draft)
			checkInvalid(t, err, tt.wrong)
			want := Ticket{}
			if tt.wrong == nil {
				want = Ticket{Title: tt.draft.Title, Price: event.Price(tt.draft.Price), UserID: seller}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Offer (-want +got):\n%s", diff)
			}
		})
	}
}

// checkInvalid finds that err is an Invalid fault about these fields, or none where there are none.
func checkInvalid(t *testing.T, err error, fields []string) {
	t.Helper()
	var got []string
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		for _, d := range f.Details {
			got = append(got, d.Field)
		}
	} else if err != nil {
		t.Errorf("error is %v, want an invalid request", err)
	}
	if diff := cmp.Diff(fields, got); diff != "" {
		t.Errorf("fields at fault (-want +got):\n%s", diff)
	}
}

func TestEditChecksTheDraft(t *testing.T) {
	before := Ticket{Title: "before", Price: 500, UserID: seller}
	for _, tt := range drafts {
		t.Run(tt.name, func(t *testing.T) {
			got, err := before.Edit(seller, tt.draft)
			checkInvalid(t, err, tt.wrong)
			want := before
			if tt.wrong == nil {
				want = Ticket{Title: tt.draft.Title, Price: event.Price(tt.draft.Price), UserID: seller}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Edit (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEdit(t *testing.T) {
	free := Ticket{Title: "concert", Price: 2000, UserID: seller}
	held := free
	held.OrderID = orderID
	for _, tt := range []struct {
		name   string
		before Ticket
		editor event.ID
		draft  Draft
		want   Ticket
		kind   fault.Kind
		same   bool
	}{
		{"title and price", free, seller, Draft{"opera", 3000}, Ticket{Title: "opera", Price: 3000, UserID: seller}, 0, false},
		{"the title alone", free, seller, Draft{"opera", 2000}, Ticket{Title: "opera", Price: 2000, UserID: seller}, 0, false},
		{"the price alone", free, seller, Draft{"concert", 1}, Ticket{Title: "concert", Price: 1, UserID: seller}, 0, false},
		{"nothing", free, seller, Draft{"concert", 2000}, free, 0, true},
		{"somebody else's", free, stranger, Draft{"opera", 1}, free, fault.Forbidden, false},
		{"somebody else's, badly", free, stranger, Draft{}, free, fault.Forbidden, false},
		{"somebody else's while it is held", held, stranger, Draft{"opera", 1}, held, fault.Forbidden, false},
		{"while it is held", held, seller, Draft{"opera", 1}, held, fault.Conflict, false},
		{"nothing while it is held", held, seller, Draft{"concert", 2000}, held, fault.Conflict, false},
		{"badly while it is held", held, seller, Draft{}, held, fault.Invalid, false},
		{"by nobody", free, "", Draft{"opera", 1}, free, fault.Forbidden, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.before.Edit(tt.editor, tt.draft)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Edit (-want +got):\n%s", diff)
			}
			if fault.KindOf(err) != tt.kind || errors.Is(err, outbox.ErrNoChange) != tt.same || (tt.kind == 0 && !tt.same && err != nil) {
				t.Errorf("error is %v, want kind %v, no change %v", err, tt.kind, tt.same)
			}
		})
	}
}

func TestAnnounce(t *testing.T) {
	state := Ticket{Title: "Rock & Roll <live>", Price: 2000, UserID: seller}
	edited := Ticket{Title: "concert", Price: 1005, UserID: seller}
	held := Ticket{Title: "concert", Price: event.MaxPrice, UserID: seller, OrderID: orderID}
	for _, tt := range []struct {
		name    string
		version event.Version
		state   Ticket
		subject event.Subject
		data    string
	}{
		{"created", 0, state, event.SubjectTicketCreated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":0,"title":"Rock & Roll <live>","price":20,"userId":"65a1b2c3d4e5f60718293a00"}`},
		{"updated", 3, edited, event.SubjectTicketUpdated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":3,"title":"concert","price":10.05,"userId":"65a1b2c3d4e5f60718293a00"}`},
		{"held", 4, held, event.SubjectTicketUpdated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":4,"title":"concert","price":99999999.99,` +
				`"userId":"65a1b2c3d4e5f60718293a00","orderId":"65a1b2c3d4e5f60718293aff"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			subject, data, err := announce(outbox.Entity[Ticket]{ID: ticketID, Version: tt.version, State: tt.state})
			if err != nil || subject != tt.subject || string(data) != tt.data {
				t.Fatalf("announce = %s %s, %v, want %s %s", subject, data, err, tt.subject, tt.data)
			}
			got, err := event.Decode[event.Ticket](subject, data)
			want := event.Ticket{ID: ticketID, Version: tt.version, Title: tt.state.Title, Price: tt.state.Price,
				UserID: tt.state.UserID, OrderID: tt.state.OrderID}
			if err != nil || got != want {
				t.Errorf("Decode = %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// What breaks the contract is not announced, so it is never stored either.
func TestAnnounceRefusesWhatBreaksTheContract(t *testing.T) {
	for name, state := range map[string]Ticket{
		"no title":  {Price: 1, UserID: seller},
		"no price":  {Title: "concert", UserID: seller},
		"no seller": {Title: "concert", Price: 1},
	} {
		if _, _, err := announce(outbox.Entity[Ticket]{ID: ticketID, State: state}); err == nil {
			t.Errorf("%s: announced", name)
		}
	}
}
