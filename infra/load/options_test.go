package main

import (
	"io"
	"testing"
)

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-mode", "sideways"}, {"-rate", "-1"}, {"-rate", "NaN"}, {"-clients", "0"}, {"-inflight", "0"}, {"-duration", "10ms"},
		{"-target", "localhost:8080"}, {"-mix", "reads"}, {"-mix", "reads=-1"}, {"-mix", "reads=0"}, {"-mix", "naps=1"}, {"more"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestTheMixIsReadAsItIsShown(t *testing.T) {
	o, err := parseOptions([]string{"-mix", "updates=3,reads=1"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := (mix{Reads: 1, Updates: 3}); o.mix != want {
		t.Errorf("read %+v, want %+v", o.mix, want)
	}
	var again mix
	if err := again.Set(o.mix.String()); err != nil || again != o.mix {
		t.Errorf("%v was read as %+v, %v", o.mix.String(), again, err)
	}
}

func TestOnlyAClosedLoopGoesWithoutARate(t *testing.T) {
	for mode, want := range map[string]float64{modeRamp: defaultRampRate, modeOpen: defaultOpenRate, modeClosed: 0} {
		o, err := parseOptions([]string{"-mode", mode}, io.Discard)
		if err != nil || o.rate != want {
			t.Errorf("%s: rate %v, %v; want %v", mode, o.rate, err, want)
		}
	}
}
