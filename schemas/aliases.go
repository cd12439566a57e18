package schemas

// CodeAlias returns the code by which DJUST's imports report what a rule of
// that name finds, for those who move from there, and "" where they have none.
func CodeAlias(rule string) string {
	switch rule {
	case "required", "required_at_creation":
		return "F-E-001"
	case "reference":
		return "F-E-002"
	case "unique":
		return "F-E-003"
	case "range":
		return "F-E-007"
	case "one_of", "value_table":
		return "F-E-008"
	case "length":
		return "F-E-010"
	case "type", "pattern", "gtin", "currency", "unit", "language", "country", "url", "email", "scientific_notation":
		return "F-E-012"
	case "first_tier":
		return "F-E-013"
	}
	return ""
}
