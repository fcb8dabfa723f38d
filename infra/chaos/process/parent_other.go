//go:build !linux

package process

import "syscall"

// dieWithParent has no counterpart here: a child ends with its parent only where the parent ends it.
func dieWithParent() *syscall.SysProcAttr { return nil }
