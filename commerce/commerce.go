// Package commerce holds the words that the services share. Each service is a
// folder below: it owns its database, its events and its HTTP, and knows no
// other service.
//
//	catalog    products and categories
//	pricing    price lists and prices
//	inventory  warehouses and stock levels
//	accounts   the companies that buy, and their addresses
//	feed       the events of several services as one
//
// What has happened in a service is told by an [Event], on a [Bus] and by a [Feed].
package commerce

// A SKU is our article number of a product.
type SKU string
