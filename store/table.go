package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// table names a table of facts. Names come from this package only, so the SQL
// below is made of constants.
type table string

const (
	releasesTable    table = "releases"
	eventsTable      table = "events"
	alertsTable      table = "alerts"
	effectsTable     table = "effects"
	configsTable     table = "configs"
	pinsTable        table = "pins"
	holdsTable       table = "holds"
	quarantinesTable table = "quarantines"
	adoptionsTable   table = "adoptions"
	looksTable       table = "looks"
	channelsTable    table = "channels"
	outboxTable      table = "outbox"
	refsTable        table = "message_refs"
	cordonsTable     table = "cordons"
)

// layout is the columns under a table's sum: the unique key (none: rows are
// only inserted) and the others.
type layout struct{ key, cols []string }

func layouts() map[table]layout {
	lane := []string{"service", "destination"}
	return map[table]layout{
		releasesTable:    {[]string{"id"}, []string{"service", "destination", "repo", "status", "body"}},
		eventsTable:      {nil, []string{"at", "release", "body"}},
		alertsTable:      {[]string{"key"}, []string{"body"}},
		effectsTable:     {[]string{"release", "step"}, []string{"payload", "intended", "result", "done"}},
		configsTable:     {[]string{"release"}, []string{"body"}},
		pinsTable:        {[]string{"service", "destination", "sha", "ref"}, []string{"digest", "at"}},
		holdsTable:       {lane, []string{"body"}},
		quarantinesTable: {[]string{"service", "destination", "identity"}, []string{"release", "at"}},
		adoptionsTable:   {lane, []string{"by", "at"}},
		looksTable:       {[]string{"repo"}, []string{"body"}},
		channelsTable:    {[]string{"channel"}, []string{"read"}},
		outboxTable:      {[]string{"channel", "seq"}, []string{"service", "destination", "release"}},
		refsTable:        {[]string{"channel", "key"}, []string{"ref", "at"}},
		cordonsTable:     {[]string{"host"}, []string{"body"}},
	}
}

func (l layout) columns() []string { return slices.Concat(l.key, l.cols) }

// put inserts a row, or replaces the one with the same key. values are the key
// and the columns in order: string, int64 or []byte each.
func (t table) put(ctx context.Context, w tx, values ...any) (sql.Result, error) {
	l := layouts()[t]
	all := append(l.columns(), "sum")
	q := "INSERT INTO " + string(t) + " (" + strings.Join(all, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(all)-1) + ")"
	if len(l.key) > 0 {
		q += " ON CONFLICT (" + strings.Join(l.key, ", ") + ") DO UPDATE SET sum = excluded.sum"
		for _, c := range l.cols {
			q += ", " + c + " = excluded." + c
		}
	}
	return w.ExecContext(ctx, q, append(values, sum(values))...)
}

// badRow is a row whose sum does not match.
type badRow struct {
	table table
	key   string
}

func (e *badRow) Error() string { return "table " + string(e.table) + ": wrong sum at " + e.key }

// verify compares the sum of every row.
func (t table) verify(ctx context.Context, db *sql.DB) error {
	cols := layouts()[t].columns()
	rows, err := db.QueryContext(ctx, "SELECT "+strings.Join(cols, ", ")+", sum FROM "+string(t))
	if err != nil {
		return err
	}
	return each(rows, func(r *sql.Rows) error {
		values := make([]any, len(cols))
		dest := make([]any, len(cols)+1)
		for i := range values {
			dest[i] = &values[i]
		}
		var want int64
		dest[len(cols)] = &want
		if err := r.Scan(dest...); err != nil {
			return err
		}
		if sum(values) != want {
			return &badRow{table: t, key: fmt.Sprintf("%q", fmt.Sprint(values[0]))}
		}
		return nil
	})
}

// sum is the CRC-32C of the values, each with its length before it.
func sum(values []any) int64 {
	var buf []byte
	for _, v := range values {
		var b []byte
		switch v := v.(type) {
		case string:
			b = []byte(v)
		case []byte:
			b = v
		case int64:
			b = strconv.AppendInt(nil, v, 10)
		default:
			b = fmt.Append(nil, v)
		}
		buf = binary.AppendUvarint(buf, uint64(len(b)))
		buf = append(buf, b...)
	}
	return int64(crc32.Checksum(buf, crc32.MakeTable(crc32.Castagnoli)))
}
