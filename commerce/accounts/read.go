package accounts

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"crossdock/commerce"
	"crossdock/internal/store"
	"crossdock/internal/web"
)

// An Account is one company that buys.
type Account struct {
	Account            string            `json:"account" doc:"Code of the account." example:"K-1001"`
	Name               string            `json:"name" doc:"Name as your staff know it." example:"Maschinenbau Nord"`
	LegalName          string            `json:"legal_name,omitempty" doc:"Name under which the company is registered."`
	RegistrationNumber string            `json:"registration_number,omitempty" doc:"Number in the trade register."`
	VATNumber          string            `json:"vat_number,omitempty" doc:"VAT number with the prefix of its country." example:"DE123456789"`
	Website            string            `json:"website,omitempty" doc:"Address of its pages on the web."`
	Manager            string            `json:"manager,omitempty" doc:"Who looks after it in your company."`
	Tags               []string          `json:"tags,omitempty" doc:"Groups that it belongs to."`
	PriceList          string            `json:"price_list,omitempty" doc:"Code of the price list from which it buys." example:"dealer-eu"`
	Attributes         map[string]string `json:"attributes,omitempty" doc:"Further properties."`
	Status             string            `json:"status" doc:"Whether its buyers may order." enum:"active,inactive"`
	Addresses          []Address         `json:"addresses,omitempty" doc:"Its addresses by code; only where one account is read."`
}

// An Address is where an account has goods or invoices sent.
type Address struct {
	Address    string `json:"address" doc:"Code of the address, unique within its account." example:"HQ"`
	Label      string `json:"label,omitempty" doc:"What buyers call it."`
	Recipient  string `json:"recipient,omitempty" doc:"Name that stands on the parcel."`
	Street     string `json:"street" doc:"Street and number." example:"Werftstraße 12"`
	Street2    string `json:"street2,omitempty" doc:"What stands below the street."`
	PostalCode string `json:"postal_code,omitempty" doc:"Postal code." example:"20457"`
	City       string `json:"city" doc:"Town." example:"Hamburg"`
	Region     string `json:"region,omitempty" doc:"State, province or county."`
	Country    string `json:"country" doc:"Country, ISO 3166-1 alpha-2." example:"DE"`
	Phone      string `json:"phone,omitempty" doc:"Telephone number."`
	Shipping   bool   `json:"shipping" doc:"Whether goods can be sent there."`
	Billing    bool   `json:"billing" doc:"Whether invoices can be sent there."`
}

// An AccountQuery says which accounts to list.
type AccountQuery struct {
	Limit  int // 0: 50
	Cursor string
	Status string // "": active; all: any
	Tag    string // "": any
}

// An AccountPage is one page of a list of accounts.
type AccountPage struct {
	Items      []Account `json:"items" doc:"The accounts by code."`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Where the list goes on; absent on the last page."`
}

const accountColumns = `account, name, legal_name, registration_number, vat_number, website, manager, tags, price_list, attributes, status`

func scanAccount(rows *sql.Rows) (Account, error) {
	var a Account
	var tags, attributes sql.NullString
	optional := []*string{&a.LegalName, &a.RegistrationNumber, &a.VATNumber, &a.Website, &a.Manager, &a.PriceList}
	null := make([]sql.NullString, len(optional))
	if err := rows.Scan(&a.Account, &a.Name, &null[0], &null[1], &null[2], &null[3], &null[4], &tags, &null[5], &attributes, &a.Status); err != nil {
		return a, err
	}
	for i, field := range optional {
		*field = null[i].String
	}
	for _, one := range []struct {
		text sql.NullString
		into any
	}{{tags, &a.Tags}, {attributes, &a.Attributes}} {
		if !one.text.Valid {
			continue
		}
		if err := json.Unmarshal([]byte(one.text.String), one.into); err != nil {
			return a, fmt.Errorf("account %s: %w", a.Account, err)
		}
	}
	return a, nil
}

func scanAddress(rows *sql.Rows) (Address, error) {
	var a Address
	optional := []*string{&a.Label, &a.Recipient, &a.Street2, &a.PostalCode, &a.Region, &a.Phone}
	null := make([]sql.NullString, len(optional))
	err := rows.Scan(&a.Address, &null[0], &null[1], &a.Street, &null[2], &null[3], &a.City, &null[4], &a.Country, &null[5], &a.Shipping, &a.Billing)
	for i, field := range optional {
		*field = null[i].String
	}
	return a, err
}

// Account returns one account of any status with its addresses, or a NotFound error.
func (s *Service) Account(ctx context.Context, code string) (Account, error) {
	a, found, err := store.First(ctx, s.db.Read(), scanAccount, `SELECT `+accountColumns+` FROM account WHERE account = ?`, code)
	if err != nil {
		return a, err
	}
	if !found {
		return a, commerce.Errorf(commerce.NotFound, "there is no account %s", code)
	}
	a.Addresses, err = store.Collect(ctx, s.db.Read(), scanAddress, `
		SELECT address, label, recipient, street, street2, postal_code, city, region, country, phone, shipping, billing
		FROM address WHERE account = ? ORDER BY address`, code)
	return a, err
}

// Accounts lists accounts a page at a time, by code.
func (s *Service) Accounts(ctx context.Context, q AccountQuery) (AccountPage, error) {
	page := AccountPage{Items: []Account{}}
	if q.Limit <= 0 {
		q.Limit = 50
	}
	var after string
	if err := web.DecodeCursor(q.Cursor, &after); err != nil {
		return page, err
	}
	tag, err := quoted(q.Tag)
	if err != nil {
		return page, err
	}
	list, err := store.Collect(ctx, s.db.Read(), scanAccount, `
		SELECT `+accountColumns+` FROM account
		WHERE account > ?1 AND (?2 = 'all' OR status = ?2)
		  AND (?3 = '' OR replace(tags, ?3, '') <> tags)
		ORDER BY account LIMIT ?4`, after, cmp.Or(q.Status, "active"), tag, q.Limit+1)
	if err != nil {
		return page, err
	}
	if len(list) > q.Limit {
		list = list[:q.Limit]
		page.NextCursor = web.EncodeCursor(list[q.Limit-1].Account)
	}
	page.Items = append(page.Items, list...)
	return page, nil
}

// quoted returns a tag as it stands among others in the column, a JSON array:
// what stands between its quotes holds no other quote. It returns "" for none.
func quoted(tag string) (string, error) {
	if tag == "" {
		return "", nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(tag)
	return strings.TrimSuffix(b.String(), "\n"), err
}
