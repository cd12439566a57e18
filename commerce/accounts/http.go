package accounts

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"crossdock/commerce/internal/outbox"
	"crossdock/commerce/internal/remote"
	"crossdock/internal/web"
	"crossdock/schemas"
)

// Handler serves the API of accounts alone.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	api := web.NewAPI(mux, web.Info{Title: "Crossdock accounts", Version: "1", Suggest: schemas.DidYouMean})
	s.Register(api)
	outbox.Merged{"accounts": s}.Register(api)
	return web.Wrap(mux, web.Options{Log: s.log, Clock: s.clock})
}

// Internal adds to mux the calls of the hub, which a [Client] makes, at
// /internal/accounts/. It trusts whoever reaches it.
func (s *Service) Internal(mux *http.ServeMux) { remote.Routes(mux, "accounts", s) }

// Register adds the operations of accounts to an API.
func (s *Service) Register(api huma.API) {
	tags := []string{"Accounts"}
	web.Register(api, huma.Operation{
		OperationID: "list-accounts", Method: http.MethodGet, Path: "/v1/accounts", Tags: tags, Summary: "List accounts",
		Description: "Accounts come by their code, without their addresses.",
		Errors:      []int{http.StatusBadRequest},
	}, s.listAccounts)
	web.Register(api, huma.Operation{
		OperationID: "get-account", Method: http.MethodGet, Path: "/v1/accounts/{account}", Tags: tags, Summary: "Read one account with its addresses",
		Errors: []int{http.StatusNotFound},
	}, s.getAccount)
}

type accountsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Accounts a page."`
	Cursor string `query:"cursor" maxLength:"2000" doc:"Where to go on: next_cursor of the page before."`
	Status string `query:"status" enum:"active,inactive,all" default:"active" doc:"Only accounts of this status."`
	Tag    string `query:"tag" maxLength:"100" doc:"Only accounts with this tag."`
}

type accountsOutput struct{ Body AccountPage }

func (s *Service) listAccounts(ctx context.Context, in *accountsInput) (*accountsOutput, error) {
	page, err := s.Accounts(ctx, AccountQuery{Limit: in.Limit, Cursor: in.Cursor, Status: in.Status, Tag: in.Tag})
	return &accountsOutput{page}, err
}

type accountInput struct {
	Account string `path:"account" maxLength:"100" doc:"Code of the account."`
}

type accountOutput struct{ Body Account }

func (s *Service) getAccount(ctx context.Context, in *accountInput) (*accountOutput, error) {
	a, err := s.Account(ctx, in.Account)
	return &accountOutput{a}, err
}
