package main

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/term"
)

// typed repeats each line of standard input until its end, or "bye".
func typed() int {
	fmt.Println("terminal:", term.IsTerminal(int(os.Stdin.Fd())))
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println("typed:", lines.Text())
		if lines.Text() == "bye" {
			return 3
		}
	}
	return 0
}
