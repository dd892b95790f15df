package spec

import "github.com/fairlead-deploy/fairlead/deployer/spec/schema"

// Position is where something is written; Line and Column count from 1, 0 is
// unknown.
type Position = schema.Position

// Error is one located mistake.
type Error = schema.Error

// Errors are all mistakes of a file at once, in the file's order.
type Errors = schema.Errors

// Warning is something that is read but not (or not as written) acted on.
type Warning = schema.Warning
