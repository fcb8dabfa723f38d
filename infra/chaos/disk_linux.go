package main

import (
	"fmt"
	"syscall"
)

func mount(dir string, bytes int) error {
	return syscall.Mount("chaos", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d", bytes))
}

// setReadOnly works only while nobody has a file of it open for writing.
func setReadOnly(dir string, readOnly bool) error {
	flags := uintptr(syscall.MS_REMOUNT | syscall.MS_NOSUID | syscall.MS_NODEV)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	return syscall.Mount("chaos", dir, "tmpfs", flags, "")
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
