package main

import (
	"context"
	"errors"
	"os"
	"testing"
)

func TestParseRSSAnon(t *testing.T) {
	const status = "Name:\torders\nVmRSS:\t  90000 kB\nRssAnon:\t   20480 kB\nRssFile:\t   70000 kB\n"
	if got, err := parseRSSAnon([]byte(status)); err != nil || got != 20.97152 {
		t.Errorf("parseRSSAnon = %v, %v, want 20.97152 MB", got, err)
	}
	for _, bad := range []string{"", "Name:\torders\nVmRSS:\t90000 kB\n", "RssAnon:\tmuch\n"} {
		if got, err := parseRSSAnon([]byte(bad)); err == nil {
			t.Errorf("parseRSSAnon(%q) = %v, want an error", bad, got)
		}
	}
}

func TestHalves(t *testing.T) {
	for _, tt := range []struct {
		samples       []float64
		first, second float64
	}{
		{[]float64{7}, 7, 7},
		{[]float64{7, 9}, 7, 9},
		{[]float64{1, 5, 2, 3, 4}, 5, 4},
		{[]float64{1, 2, 3, 8, 9, 6}, 3, 9},
	} {
		if first, second := halves(tt.samples); first != tt.first || second != tt.second {
			t.Errorf("halves of %v are %v and %v, want %v and %v", tt.samples, first, second, tt.first, tt.second)
		}
	}
}

func TestWatchedWorkThatFails(t *testing.T) {
	if err := memoryCanBeTaken(); err != nil {
		t.Skip(err)
	}
	failed := errors.New("failed")
	if _, err := watchMemory(t.Context(), os.Getpid(), func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("watchMemory = %v, want the error of the work", err)
	}
	// and the work is waited for where the process is gone
	ended := false
	_, err := watchMemory(t.Context(), 1<<30, func(ctx context.Context) error {
		<-ctx.Done()
		ended = true
		return nil
	})
	if err == nil || !ended {
		t.Errorf("watchMemory of no process = %v; the work has ended: %t", err, ended)
	}
}
