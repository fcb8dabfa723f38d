//go:build tools

package tools

// Pins FerretDB's command; up.sh builds it from here. Its version tells itself from being the main module.
import _ "github.com/FerretDB/FerretDB/cmd/ferretdb"
