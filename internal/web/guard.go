package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Guard serves mux to those alone who send the token, as
// Authorization: Bearer TOKEN.
func Guard(token string, mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !HasToken(r, token) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			WriteProblem(w, http.StatusUnauthorized, "needs the token of the installation", "header.Authorization")
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			refuse(mux, w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// HasToken reports whether the request bears the token. How long that takes
// tells nothing of it.
func HasToken(r *http.Request, token string) bool {
	got, bears := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, sent := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(want[:], sent[:]) == 1 && bears && token != ""
}
