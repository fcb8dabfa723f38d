package event

import (
	"errors"
	"fmt"
	"strconv"
)

// Price is an amount of money in cents, 1 to MaxPrice when valid. It is never a float: outside it is a
// JSON number with at most two decimals, converted digit by digit.
type Price int64

// MaxPrice is the highest price of the contract, 99,999,999.99.
const MaxPrice Price = 9_999_999_999

// ParsePrice reads a JSON number exactly: digits, and at most two decimals that are not zero.
// Exponents are accepted, as 1e2 is how some encoders write 100. An error says what is wrong with it.
func ParsePrice(number string) (Price, error) {
	digits, point, err := splitNumber(number)
	if err != nil {
		return 0, err
	}
	cents, err := scaleToCents(digits, point)
	if err != nil {
		return 0, err
	}
	if cents < 1 {
		return 0, errors.New("must be greater than 0")
	}
	return cents, nil
}

// splitNumber takes a JSON number apart into its significant digits and the place of the decimal
// point, counted from their start: 10.05 is "1005" with the point at 2.
func splitNumber(number string) (digits string, point int, err error) {
	notNumber := errors.New("must be a number")
	rest := number
	if rest == "" {
		return "", 0, notNumber
	}
	if rest[0] == '-' {
		return "", 0, errors.New("must be greater than 0")
	}
	whole := leadingDigits(rest)
	if whole == "" || (len(whole) > 1 && whole[0] == '0') {
		return "", 0, notNumber
	}
	rest = rest[len(whole):]
	fraction := ""
	if rest != "" && rest[0] == '.' {
		fraction = leadingDigits(rest[1:])
		if fraction == "" {
			return "", 0, notNumber
		}
		rest = rest[1+len(fraction):]
	}
	exponent := 0
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		exponent, err = strconv.Atoi(rest[1:])
		if err != nil || exponent > 1000 || exponent < -1000 {
			return "", 0, fmt.Errorf("must be a number of at most %s", MaxPrice)
		}
		rest = ""
	}
	if rest != "" {
		return "", 0, notNumber
	}
	return whole + fraction, len(whole) + exponent, nil
}

func leadingDigits(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// scaleToCents reads digits with the decimal point at point as cents. Digits beyond the second decimal
// must be zeros, and the result at most MaxPrice.
func scaleToCents(digits string, point int) (Price, error) {
	var cents Price
	for i := 0; i < len(digits) || i < point+2; i++ {
		digit := byte('0')
		if i < len(digits) {
			digit = digits[i]
		}
		if i >= point+2 {
			if digit != '0' {
				return 0, errors.New("must have at most two decimals")
			}
			continue
		}
		cents = cents*10 + Price(digit-'0')
		if cents > MaxPrice {
			return 0, fmt.Errorf("must be at most %s", MaxPrice)
		}
	}
	return cents, nil
}

// String writes the price as JavaScript writes the number: 10, 10.5, 10.05.
func (p Price) String() string {
	s := strconv.FormatInt(int64(p/100), 10)
	switch cents := p % 100; {
	case cents == 0:
		return s
	case cents%10 == 0:
		return s + "." + strconv.FormatInt(int64(cents/10), 10)
	default:
		return s + "." + strconv.FormatInt(int64(cents/10), 10) + strconv.FormatInt(int64(cents%10), 10)
	}
}

// MarshalJSON writes a JSON number.
func (p Price) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalJSON accepts what ParsePrice accepts; a JSON string or null is an error.
func (p *Price) UnmarshalJSON(data []byte) error {
	parsed, err := ParsePrice(string(data))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}
