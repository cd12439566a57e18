// The table-valued function rowset: see rowset.go.

#include "rowset.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// What SQLite offers, as its documentation declares it. The library itself is
// compiled into the driver and has no header that could be included from here.
// The names are weak, so that this package links by itself as well.

#define SQLITE_OK 0
#define SQLITE_ERROR 1
#define SQLITE_NOMEM 7
#define SQLITE_CONSTRAINT 19
#define SQLITE_INDEX_CONSTRAINT_EQ 2
#define SQLITE_VTAB_DIRECTONLY 3
#define WEAK __attribute__((weak))

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_value sqlite3_value;
typedef struct sqlite3_context sqlite3_context;
typedef struct sqlite3_module sqlite3_module;

typedef struct {
  const sqlite3_module *module;
  int refs;
  char *message;
} sqlite3_vtab;

typedef struct {
  sqlite3_vtab *table;
} sqlite3_vtab_cursor;

typedef struct {
  int constraints;
  struct constraint {
    int column;
    unsigned char op, usable;
    int offset;
  } *constraint;
  int orders;
  void *order;
  struct usage {
    int argument;
    unsigned char omit;
  } *usage;
  int plan;
  char *text;
  int free_text, ordered;
  double cost;
  int64_t rows;
} sqlite3_index_info; // further fields follow

struct sqlite3_module {
  int version;
  int (*create)(sqlite3 *, void *, int, const char *const *, sqlite3_vtab **, char **);
  int (*connect)(sqlite3 *, void *, int, const char *const *, sqlite3_vtab **, char **);
  int (*best_index)(sqlite3_vtab *, sqlite3_index_info *);
  int (*disconnect)(sqlite3_vtab *);
  int (*destroy)(sqlite3_vtab *);
  int (*open)(sqlite3_vtab *, sqlite3_vtab_cursor **);
  int (*close)(sqlite3_vtab_cursor *);
  int (*filter)(sqlite3_vtab_cursor *, int, const char *, int, sqlite3_value **);
  int (*next)(sqlite3_vtab_cursor *);
  int (*eof)(sqlite3_vtab_cursor *);
  int (*column)(sqlite3_vtab_cursor *, sqlite3_context *, int);
  int (*rowid)(sqlite3_vtab_cursor *, int64_t *);
  void *rest[12]; // what a table that cannot be written to, and has no transactions, leaves out
};

extern int sqlite3_auto_extension(void (*)(void)) WEAK;
extern int sqlite3_create_module(sqlite3 *, const char *, const sqlite3_module *, void *) WEAK;
extern int sqlite3_declare_vtab(sqlite3 *, const char *) WEAK;
extern int sqlite3_vtab_config(sqlite3 *, int, ...) WEAK;
extern char *sqlite3_mprintf(const char *, ...) WEAK;
extern int64_t sqlite3_value_int64(sqlite3_value *) WEAK;
extern void sqlite3_result_int64(sqlite3_context *, int64_t) WEAK;
extern void sqlite3_result_null(sqlite3_context *) WEAK;
extern void sqlite3_result_text(sqlite3_context *, const char *, int, void (*)(void *)) WEAK;

// The sets of rows that statements may read now.
typedef struct rowset {
  int64_t id;
  const unsigned char *rows;
  size_t length;
  char kinds[ROWSET_COLUMNS]; // 'i': an integer, 't': a text
  struct rowset *next;
} rowset;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static rowset *sets;
static int64_t last_id;

int64_t rowset_lend(const void *rows, size_t length, const char *kinds, int columns) {
  rowset *set = calloc(1, sizeof *set);
  if (set == NULL || columns > ROWSET_COLUMNS) {
    free(set);
    return 0;
  }
  set->rows = rows;
  set->length = length;
  memcpy(set->kinds, kinds, columns);
  pthread_mutex_lock(&lock);
  set->id = ++last_id;
  set->next = sets;
  sets = set;
  pthread_mutex_unlock(&lock);
  return set->id;
}

void rowset_return(int64_t id) {
  pthread_mutex_lock(&lock);
  for (rowset **at = &sets; *at != NULL; at = &(*at)->next) {
    if ((*at)->id == id) {
      rowset *set = *at;
      *at = set->next;
      free(set);
      break;
    }
  }
  pthread_mutex_unlock(&lock);
}

typedef struct {
  sqlite3_vtab_cursor base;
  rowset set;
  size_t at; // of the row after this one
  int64_t row;
  int eof, columns;
  struct {
    const unsigned char *bytes;
    int32_t length; // -1: null
  } values[ROWSET_COLUMNS];
} cursor;

static uint32_t big32(const unsigned char *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

// read goes to the row that begins at c->at, each of whose columns is a length
// and that many bytes, after the count of columns.
static int read_row(cursor *c) {
  const unsigned char *rows = c->set.rows;
  size_t at = c->at, end = c->set.length;
  if (at == end) {
    c->eof = 1;
    return SQLITE_OK;
  }
  if (end - at < 2) return SQLITE_ERROR;
  int columns = rows[at] << 8 | rows[at + 1];
  if (columns > ROWSET_COLUMNS) return SQLITE_ERROR;
  at += 2;
  for (int i = 0; i < columns; i++) {
    if (end - at < 4) return SQLITE_ERROR;
    int32_t length = (int32_t)big32(rows + at);
    at += 4;
    if (length > 0 && (size_t)length > end - at) return SQLITE_ERROR;
    if (length >= 0 && length != 8 && c->set.kinds[i] == 'i') return SQLITE_ERROR;
    c->values[i].bytes = rows + at;
    c->values[i].length = length;
    if (length > 0) at += length;
  }
  c->columns = columns;
  c->at = at;
  return SQLITE_OK;
}

static int rowset_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **table, char **message) {
  char columns[16 * ROWSET_COLUMNS] = "CREATE TABLE rowset (";
  for (int i = 0; i < ROWSET_COLUMNS; i++) {
    size_t n = strlen(columns);
    columns[n++] = 'c';
    if (i >= 10) columns[n++] = '0' + i / 10;
    columns[n++] = '0' + i % 10;
    columns[n++] = ',';
    columns[n] = 0;
  }
  strcat(columns, "lent HIDDEN)");
  int code = sqlite3_declare_vtab(db, columns);
  if (code != SQLITE_OK) return code;
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  *table = calloc(1, sizeof **table);
  return *table == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int rowset_disconnect(sqlite3_vtab *table) {
  free(table);
  return SQLITE_OK;
}

// A statement has to say which rows it means.
static int rowset_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  for (int i = 0; i < info->constraints; i++) {
    struct constraint *c = &info->constraint[i];
    if (c->usable && c->column == ROWSET_COLUMNS && c->op == SQLITE_INDEX_CONSTRAINT_EQ) {
      info->usage[i].argument = 1;
      info->usage[i].omit = 1;
      info->cost = 1;
      info->rows = 1000;
      return SQLITE_OK;
    }
  }
  return SQLITE_CONSTRAINT;
}

static int rowset_open(sqlite3_vtab *table, sqlite3_vtab_cursor **opened) {
  cursor *c = calloc(1, sizeof *c);
  if (c == NULL) return SQLITE_NOMEM;
  *opened = &c->base;
  return SQLITE_OK;
}

static int rowset_close(sqlite3_vtab_cursor *c) {
  free(c);
  return SQLITE_OK;
}

static int rowset_filter(sqlite3_vtab_cursor *opened, int plan, const char *text, int argc, sqlite3_value **argv) {
  cursor *c = (cursor *)opened;
  int64_t id = sqlite3_value_int64(argv[0]);
  int found = 0;
  pthread_mutex_lock(&lock);
  for (rowset *set = sets; set != NULL && !found; set = set->next) {
    if (set->id == id) {
      c->set = *set;
      found = 1;
    }
  }
  pthread_mutex_unlock(&lock);
  if (!found) {
    opened->table->message = sqlite3_mprintf("no rows are lent under number %lld", (long long)id);
    return SQLITE_ERROR;
  }
  c->at = c->row = c->eof = 0;
  return read_row(c);
}

static int rowset_next(sqlite3_vtab_cursor *opened) {
  cursor *c = (cursor *)opened;
  c->row++;
  return read_row(c);
}

static int rowset_eof(sqlite3_vtab_cursor *opened) { return ((cursor *)opened)->eof; }

static int rowset_column(sqlite3_vtab_cursor *opened, sqlite3_context *result, int i) {
  cursor *c = (cursor *)opened;
  if (i >= c->columns || c->values[i].length < 0) {
    sqlite3_result_null(result);
    return SQLITE_OK;
  }
  const unsigned char *b = c->values[i].bytes;
  if (c->set.kinds[i] == 'i') {
    sqlite3_result_int64(result, (int64_t)((uint64_t)big32(b) << 32 | big32(b + 4)));
  } else {
    // Static: the rows stay until the statement has ended.
    sqlite3_result_text(result, (const char *)b, c->values[i].length, NULL);
  }
  return SQLITE_OK;
}

static int rowset_rowid(sqlite3_vtab_cursor *opened, int64_t *rowid) {
  *rowid = ((cursor *)opened)->row;
  return SQLITE_OK;
}

static const sqlite3_module module = {
    .connect = rowset_connect,
    .best_index = rowset_best_index,
    .disconnect = rowset_disconnect,
    .destroy = rowset_disconnect,
    .open = rowset_open,
    .close = rowset_close,
    .filter = rowset_filter,
    .next = rowset_next,
    .eof = rowset_eof,
    .column = rowset_column,
    .rowid = rowset_rowid,
};

static int add_module(sqlite3 *db, char **message, const void *api) {
  return sqlite3_create_module(db, "rowset", &module, NULL);
}

int rowset_register(void) { return sqlite3_auto_extension((void (*)(void))add_module); }
