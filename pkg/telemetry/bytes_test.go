package telemetry_test

import (
	"strings"
	"testing"

	"ticketing/pkg/telemetry"
)

func TestSizesAreReadAsKubernetesWritesThem(t *testing.T) {
	for _, tt := range []struct {
		text string
		want telemetry.Bytes
	}{
		{"1", 1}, {"2147483648", 2 << 30}, {"512Ki", 512 << 10}, {"3Mi", 3 << 20}, {"2Gi", 2 << 30}, {"1Ti", 1 << 40},
		{"18446744073709551615", 1<<64 - 1}, {"8191Pi", 8191 << 50},
	} {
		var got telemetry.Bytes
		if err := got.UnmarshalText([]byte(tt.text)); err != nil || got != tt.want {
			t.Errorf("%s is read as %d, %v, want %d", tt.text, uint64(got), err, uint64(tt.want))
		}
	}
	for _, text := range []string{"", "0", "0Gi", "Gi", "2GB", "2G", "2i", "2GiGi", "-1", "1.5Gi", " 2Gi", "2gi", "16384Pi", "18446744073709551616"} {
		got := telemetry.Bytes(7)
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 7 || !strings.Contains(err.Error(), "such as") {
			t.Errorf("%q is read as %d, %v, want an error", text, uint64(got), err)
		}
	}
}

func TestSizesAreShownShort(t *testing.T) {
	for size, want := range map[telemetry.Bytes]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 2 << 30: "2.0 GiB", 1<<64 - 1: "16384.0 PiB",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d is shown as %s, want %s", uint64(size), got, want)
		}
	}
}
