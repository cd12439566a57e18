package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"crossdock/connectors"
	"crossdock/connectors/all"
	"crossdock/hub"
)

func (a *app) exportCommand() *cobra.Command {
	var x hub.RowsExport
	var output, fields string
	names := make([]string, 0, len(all.Formats()))
	for _, f := range all.Formats() {
		names = append(names, f.Name)
	}
	cmd := &cobra.Command{
		Use: "export ENTITY", Short: "Write the rows that the services hold to a file",
		Long: `Export writes the rows of an entity, all of one moment, in the order of their
keys. At its end it prints a cursor; an export that is given it with --since
writes only what has changed behind that, with a column deleted that is true in
the rows of keys that are gone.

A file has its name only when it is whole: it is written under another name,
synced and renamed. It is packed where its name ends in .gz or .zst.`,
		Example: "  crossdock export product -o products.csv\n" +
			"  crossdock export price --since price-4711 -o prices.ndjson.gz --json\n" +
			"  crossdock export product --fields name.de,status --format xlsx -o products.xlsx",
		Args: arguments(cobra.ExactArgs(1), "the name of an entity"),
		RunE: func(cmd *cobra.Command, args []string) error {
			x.Entity = args[0]
			format, pack, err := exportFormat(x.Format, output)
			if err != nil {
				return err
			}
			x.Format = format
			if cmd.Flags().Changed("fields") {
				x.Fields = strings.Split(fields, ",")
			}
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				return a.exportRows(ctx, h, x, output, pack)
			})
		},
	}
	cmd.Flags().StringVar(&x.Format, "format", "", strings.Join(names, ", ")+"; else by the name of the file, else csv")
	cmd.Flags().StringVar(&x.Since, "since", "", "cursor of an earlier export: what has changed since alone")
	cmd.Flags().StringVar(&fields, "fields", "", "fields or columns beside the key, separated by commas, in this order; else all")
	cmd.Flags().BoolVar(&x.Mark, "bom", false, "begin CSV with a byte order mark, which Excel needs")
	cmd.Flags().BoolVar(&x.Raw, "raw", false, "leave text in CSV as it is where a spreadsheet takes it for a formula")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; else the standard output")
	return cmd
}

func (a *app) exportRows(ctx context.Context, h *hub.Hub, x hub.RowsExport, output string, pack packer) error {
	var done hub.Exported
	write := func(w io.Writer) error {
		packed, err := pack(w)
		if err != nil {
			return err
		}
		done, err = h.ExportRows(ctx, packed, x)
		if err != nil {
			return err
		}
		return packed.Close()
	}
	var err error
	if output == "" {
		err = write(a.stdout)
	} else {
		err = writeFile(output, write)
	}
	if fault, ok := errors.AsType[*hub.ExportFault](err); ok {
		if fault.Part == "entity" {
			return usagef("%s", fault.Message)
		}
		return usagef("--%s: %s", fault.Part, fault.Message)
	}
	if err != nil {
		return err
	}
	if a.json && output != "" {
		a.printJSON(done)
		return nil
	}
	deleted := ""
	if done.Deleted > 0 {
		deleted = fmt.Sprintf(", %s of them deleted", thousands(done.Deleted))
	}
	fmt.Fprintf(a.stderr, "%s of %s%s; behind it: --since %s\n", plural(done.Rows, "row"), done.Entity, deleted, done.Cursor)
	return nil
}

// A packer puts what packs between a file and its writer.
type packer func(w io.Writer) (io.WriteCloser, error)

type unpacked struct{ io.Writer }

func (unpacked) Close() error { return nil }

// exportFormat returns the format asked for, else that of the file's name,
// and how the file is packed, which its name alone tells.
func exportFormat(format, output string) (string, packer, error) {
	pack := func(w io.Writer) (io.WriteCloser, error) { return unpacked{w}, nil }
	name, packing := output, strings.ToLower(filepath.Ext(output))
	switch packing {
	case ".gz":
		pack = func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
	case ".zst":
		pack = func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) }
	default:
		packing = ""
	}
	name = name[:len(name)-len(packing)]
	var byName connectors.Format
	for _, f := range all.Formats() {
		if strings.EqualFold(filepath.Ext(name), f.Extension) {
			byName = f
		}
		if format == f.Name && f.Packed || format == "" && f.Packed && f.Name == byName.Name {
			if packing != "" {
				return "", nil, usagef("%s is packed already: leave %s off its name", f.Name, packing)
			}
		}
	}
	if format != "" && byName.Name != "" && format != byName.Name {
		return "", nil, usagef("--format is %s, but %s is the name of another kind of file", format, output)
	}
	return cmp.Or(format, byName.Name, "csv"), pack, nil
}
