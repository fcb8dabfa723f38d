package main

import "ticketing/pkg/event"

// breach returns why the services will not take data as an event of subject; nil if they will.
func breach(subject string, data []byte) error {
	row, err := event.Lookup(event.Subject(subject))
	if err == nil {
		_, err = row.Decode(data)
	}
	return err
}

// unknownSubject returns an error that names the channels of the contract if subject is none of them.
func unknownSubject(subject string) error {
	_, err := event.Lookup(event.Subject(subject))
	return err
}
