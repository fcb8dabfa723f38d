//go:build !linux

package main

import "errors"

var errNoMount = errors.New("not on this system")

func mount(string, int) error        { return errNoMount }
func setReadOnly(string, bool) error { return errNoMount }
func unmount(string) error           { return errNoMount }
