package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"ticketing/pkg/store"
)

// Codes of the server that are handled by name.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeDuplicateKey         = 11000
)

// unavailableCodes are the codes that say something about the server's state or the client's rights and
// nothing about the request: the same request can succeed later.
func unavailableCodes() []int {
	return []int{
		6, 7, 89, 9001, // host unreachable or not found, network timeout, socket error
		91, 11600, // shutting down
		189, 10058, 10107, 11602, 13435, 13436, // not the primary, or no longer
		11, codeUnauthorized, codeAuthenticationFailed, 8000, // user unknown or not allowed
		24, 46, 50, 112, 262, // lock, time limit, write conflict
		64, 79, 100, 133, 134, // write or read concern cannot be satisfied now
		43, 175, // the collection of a cursor was dropped
		225, 290, 332, 384, 462, // overloaded, interrupted, index being built
		14031, // out of disk space
	}
}

// portError turns an error of the driver into one of the port, wrapped with what was being done:
//
//	the server refused the request itself        a plain error: repeating does not help
//	ctx has ended                                its error
//	anything else (network, time, no primary,
//	password, client closed)                     store.ErrUnavailable
//
// Duplicate keys and conflicts are told apart by the callers, which know what they asked for.
func portError(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if refused(err) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w (%w)", doing, ctx.Err(), err)
	}
	return fmt.Errorf("%s: %w: %s%w", doing, store.ErrUnavailable, advice(err), err)
}

// refused tells whether the server has answered and will answer the same again.
func refused(err error) bool {
	var answer driver.ServerError
	if !errors.As(err, &answer) || outcomeUnknown(err) {
		return false
	}
	for _, label := range []string{"RetryableWriteError", "RetryableError", "SystemOverloadedError", "NetworkError"} {
		if answer.HasErrorLabel(label) {
			return false
		}
	}
	codes := answer.ErrorCodes() // 0: the error is the driver's own, not an answer
	return len(codes) > 0 && !slices.Contains(codes, 0) && !slices.ContainsFunc(codes, func(code int) bool {
		return slices.Contains(unavailableCodes(), code)
	})
}

// outcomeUnknown tells whether the server applied a write but could not tell that it is durable.
func outcomeUnknown(err error) bool {
	var one driver.WriteException
	var many driver.BulkWriteException
	return errors.As(err, &one) && one.WriteConcernError != nil ||
		errors.As(err, &many) && many.WriteConcernError != nil
}

// advice says in plain words what a person has to look at, where that is not the network.
func advice(err error) string {
	codes := driver.ErrorCodes(err)
	switch {
	case slices.Contains(codes, codeAuthenticationFailed):
		return "MongoDB refuses the user name or password: "
	case slices.Contains(codes, codeUnauthorized):
		return "MongoDB does not allow this user to do this: "
	default:
		return ""
	}
}

// refusedDuplicate returns the first write that the server refused because of a duplicate key, by its
// index among the writes that were sent. Where it is not certain what became of the other writes, it
// returns false and the error is handled as such.
func refusedDuplicate(err error) (index int, refusal driver.WriteError, found bool) {
	if outcomeUnknown(err) {
		return 0, driver.WriteError{}, false
	}
	var refusals []driver.WriteError
	var one driver.WriteException
	var many driver.BulkWriteException
	switch {
	case errors.As(err, &one):
		refusals = one.WriteErrors
	case errors.As(err, &many):
		for _, e := range many.WriteErrors {
			refusals = append(refusals, e.WriteError)
		}
	}
	for _, e := range refusals {
		if e.HasErrorCode(codeDuplicateKey) {
			return e.Index, e, true
		}
	}
	return 0, driver.WriteError{}, false
}

// namesID tells whether the server says that the duplicate is that of the id. A server that does not
// say which index it was (mongod does since 4.2) gives false.
func namesID(refusal driver.WriteError) bool {
	_, err := refusal.Raw.LookupErr("keyPattern", fieldID)
	return err == nil
}
