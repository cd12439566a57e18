#include <stddef.h>
#include <stdint.h>

// How many columns a row may have.
#define ROWSET_COLUMNS 64

// rowset_register gives every connection that is opened from now on the function rowset.
int rowset_register(void);

// rowset_lend makes rows readable under the number that it returns, until
// rowset_return. It returns 0 where there is no memory or there are too many columns.
int64_t rowset_lend(const void *rows, size_t length, const char *kinds, int columns);
void rowset_return(int64_t id);
