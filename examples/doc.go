// Package examples holds folders that run as they stand: data as companies
// send it, the pipelines that read it, and a README that says what comes out.
// Their tests run them all, and hold every README to its word.
package examples
