package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// disk is a file system of its own for one service's data, small enough to be filled.
type disk struct {
	dir    string
	filler string
}

// diskBytes is room for what a long run stores.
const diskBytes = 1 << 30

// newDisk mounts one at dir. Where the machine does not allow that, the error says so.
func newDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := mount(dir, diskBytes); err != nil {
		return nil, fmt.Errorf("mount a small file system: %w", err)
	}
	return &disk{dir: dir, filler: filepath.Join(dir, "filler")}, nil
}

// fill leaves no room on it.
func (d *disk) fill() (err error) {
	filler, err := os.Create(d.filler)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer func() { err = errors.Join(err, filler.Close()) }()
	for block := make([]byte, 1<<20); len(block) > 0; { // smaller and smaller, to the last byte
		_, err := filler.Write(block)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil && !errors.Is(err, io.ErrShortWrite):
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
	return nil
}

// empty ends fill.
func (d *disk) empty() error { return os.Remove(d.filler) }

// close unmounts it.
func (d *disk) close() error { return unmount(d.dir) }
