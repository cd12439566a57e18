// Package all is the list of the connectors and formats that ship: the one file to
// touch to add another.
package all

import (
	"crossdock/connectors"
	"crossdock/connectors/csvfile"
	"crossdock/connectors/excel"
	"crossdock/connectors/fixedwidth"
	"crossdock/connectors/jsonfile"
	"crossdock/connectors/parquetfile"
	"crossdock/connectors/xmlfile"
)

// Types returns the connectors that ship, in the order of help.
func Types() []connectors.Type {
	return []connectors.Type{csvfile.Type(), excel.Type(), jsonfile.Type(), xmlfile.Type(), fixedwidth.Type(), parquetfile.Type()}
}

// Formats returns the formats in which rows can leave, in the order of help.
func Formats() []connectors.Format {
	return append([]connectors.Format{csvfile.Format(), excel.Format(), parquetfile.Format()}, jsonfile.Formats()...)
}
