package telemetry

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Bytes is a size in bytes that reads and prints as people write it.
type Bytes uint64

// suffixes are those of a Kubernetes volume, in steps of 1024.
var suffixes = []string{"", "Ki", "Mi", "Gi", "Ti", "Pi"}

// UnmarshalText reads a whole number of bytes above 0, plain or with one of the suffixes Ki to Pi of a Kubernetes
// volume: "2147483648" and "2Gi" are the same size.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "KMGTPi")
	for step, suffix := range suffixes {
		if string(text) != digits+suffix {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n == 0 || bits.Len64(n)+10*step > 64 {
			break
		}
		*b = Bytes(n << (10 * step))
		return nil
	}
	return fmt.Errorf("%q is not a size such as 2147483648 or 2Gi", text)
}

// String is "87 bytes", "1.5 KiB", "2.0 GiB".
func (b Bytes) String() string {
	if b < 1024 {
		return fmt.Sprintf("%d bytes", uint64(b))
	}
	size, step := float64(b)/1024, 1
	// 1023.95 would be rounded to 1024.0.
	for size >= 1023.95 && step < len(suffixes)-1 {
		size, step = size/1024, step+1
	}
	return fmt.Sprintf("%.1f %sB", size, suffixes[step])
}
