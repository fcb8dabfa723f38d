package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ticketing/pkg/fault"
)

func TestNormalEmail(t *testing.T) {
	label := strings.Repeat("d", 63)
	long := strings.Repeat("a", 64) + "@" + label + "." + label + "." // 129 + 64 bytes
	for _, tt := range []struct{ given, want string }{
		{"ann@example.com", "ann@example.com"},
		{" Ann.B+tickets@Example.COM\t", "ann.b+tickets@example.com"},
		{"o'hara_1@mail.example.co.uk", "o'hara_1@mail.example.co.uk"},
		{"~ann~@example.com", "~ann~@example.com"},
		{long + strings.Repeat("d", 61), long + strings.Repeat("d", 61)}, // 254 bytes
		{long + strings.Repeat("d", 62), ""},
		{"", ""},
		{"ann", ""},
		{"ann@", ""},
		{"@example.com", ""},
		{"ann@localhost", ""},
		{"ann@example.com.", ""},
		{"ann@.example.com", ""},
		{"ann@example..com", ""},
		{"ann@-example.com", ""},
		{"ann@exam_ple.com", ""},
		{"ann@[127.0.0.1]", ""},
		{"ann@example.com, bob@example.com", ""},
		{"ann@bob@example.com", ""},
		{"Ann <ann@example.com>", ""},
		{"<ann@example.com>", ""},
		{`"ann"@example.com`, ""},
		{"ann(comment)@example.com", ""},
		{"an n@example.com", ""},
		{"ann@example.com\r\nBcc: bob@example.com", ""},
		{"ann\x00@example.com", ""},
		{"änn@example.com", ""},
		{"ann@exämple.com", ""},
		{"ann..b@example.com", ""},
		{strings.Repeat("a", 65) + "@example.com", ""},
		{"ann@" + label + "d.com", ""},
		{strings.Repeat("a@", 100_000), ""},
	} {
		got, err := normalEmail(tt.given)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("normalEmail(%.80q) = %q, %v, want %q", tt.given, got, err, tt.want)
		}
	}
}

func TestNormalEmailIsSettledAfterOneTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.StringMatching(`[ -~äÄ\t]{0,10}@[a-zA-Z0-9.-]{1,10}\.[a-zA-Z]{2,3}`).Draw(t, "email")
		once, err := normalEmail(given)
		if err != nil {
			return
		}
		if twice, err := normalEmail(once); twice != once || err != nil {
			t.Errorf("normalEmail(%q) = %q, but of that %q, %v", given, once, twice, err)
		}
		if upper, err := normalEmail(strings.ToUpper(given)); upper != once || err != nil {
			t.Errorf("normalEmail(%q) = %q in upper case, %q else (%v)", given, upper, once, err)
		}
	})
}

func TestCheckSignUp(t *testing.T) {
	email := fault.Detail{Message: "Email must be valid", Field: "email"}
	password := fault.Detail{Message: "Password must be between 4 and 72 bytes", Field: "password"}
	for _, tt := range []struct {
		name  string
		given credentials
		want  []fault.Detail
	}{
		{"shortest", credentials{"ann@example.com", "1234"}, nil},
		{"longest", credentials{"ann@example.com", strings.Repeat("x", 72)}, nil},
		{"too short", credentials{"ann@example.com", "123"}, []fault.Detail{password}},
		{"too long", credentials{"ann@example.com", strings.Repeat("x", 73)}, []fault.Detail{password}},
		{"too long in bytes", credentials{"ann@example.com", strings.Repeat("ü", 37)}, []fault.Detail{password}},
		{"with a NUL", credentials{"ann@example.com", "12\x0034"}, []fault.Detail{{Message: "Password must not contain a NUL character", Field: "password"}}},
		{"nothing", credentials{}, []fault.Detail{email, password}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := checkSignUp(tt.given)
			if diff := cmp.Diff(tt.want, detailsOf(err)); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
			if err == nil && got != tt.given {
				t.Errorf("checkSignUp(%v) = %v", tt.given, got)
			}
		})
	}
}

func TestCheckSignInAsksOnlyForAPassword(t *testing.T) {
	if _, err := checkSignIn(credentials{"ann@example.com", strings.Repeat("x", 1000)}); err != nil {
		t.Errorf("a long password: %v", err)
	}
	_, err := checkSignIn(credentials{Email: "ann"})
	want := []fault.Detail{
		{Message: "Email must be valid", Field: "email"},
		{Message: "You must supply a password", Field: "password"},
	}
	if diff := cmp.Diff(want, detailsOf(err)); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

func detailsOf(err error) []fault.Detail {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid {
		return nil
	}
	return f.Details
}
