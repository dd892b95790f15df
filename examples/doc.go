// Package examples holds whole repositories as people would write them, each
// with the operator's fairlead.yml beside it. Its test loads and plans them all.
package examples
