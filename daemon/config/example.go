package config

import _ "embed" // for the example

//go:embed example.yml
var example string

// Example returns a fairlead.yml that shows every key with its default or a
// usual value. It is valid as it is.
func Example() string { return example }
