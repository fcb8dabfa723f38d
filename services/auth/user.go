package auth

import (
	"net/mail"
	"strings"

	"ticketing/pkg/fault"
)

// Passwords have 4 to 72 bytes, none of them NUL: the Node version takes four, and its users keep their
// habits; for the rest see isWhole.
const (
	minPassword = 4
	maxPassword = 72
)

// Limits of an e-mail address (RFC 5321, 4.5.3.1, and erratum 1690 of RFC 3696).
const (
	maxEmail = 254
	maxLocal = 64
	maxLabel = 63
)

// credentials are what a person signs up or in with.
type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// checkSignUp returns the credentials with the e-mail in the form accounts are kept under, or an
// Invalid fault with everything that is wrong.
func checkSignUp(c credentials) (credentials, error) {
	email, err := normalEmail(c.Email)
	if err := fault.Join(err, checkNewPassword(c.Password)); err != nil {
		return credentials{}, err
	}
	return credentials{Email: email, Password: c.Password}, nil
}

// checkSignIn is checkSignUp for credentials that are only compared: it says nothing of what a password
// must look like, except that there must be one.
func checkSignIn(c credentials) (credentials, error) {
	email, err := normalEmail(c.Email)
	var missing error
	if c.Password == "" {
		missing = fault.InvalidField("password", "You must supply a password")
	}
	if err := fault.Join(err, missing); err != nil {
		return credentials{}, err
	}
	return credentials{Email: email, Password: c.Password}, nil
}

func checkNewPassword(password string) error {
	if len(password) < minPassword || len(password) > maxPassword {
		return fault.InvalidField("password", "Password must be between 4 and 72 bytes")
	}
	if !isWhole(password) {
		return fault.InvalidField("password", "Password must not contain a NUL character")
	}
	return nil
}

// normalEmail checks an address and returns it in lower case, so that one mailbox has one account. It
// takes what mail systems deliver in practice: ASCII, no quotes, no comments, a domain with a dot.
func normalEmail(given string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(given))
	invalid := fault.InvalidField("email", "Email must be valid")
	if len(email) > maxEmail || !isPrintableASCII(email) {
		return "", invalid
	}
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email { // with a name, quotes, a comment or folding
		return "", invalid
	}
	at := strings.LastIndexByte(email, '@')
	if at > maxLocal || !isDomain(email[at+1:]) {
		return "", invalid
	}
	return email, nil
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func isDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return len(labels) > 1
}
