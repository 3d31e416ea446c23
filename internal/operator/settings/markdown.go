package settings

import (
	"fmt"
	"strings"
)

// Markdown is the table of all settings for the documentation, and the gates.
func Markdown() string {
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
	}
	var b strings.Builder
	b.WriteString("| flag | variable | key in the file | default | |\n|---|---|---|---|---|\n")
	for _, t := range table(release("VERSION")) {
		help := strings.ReplaceAll(t.Help, "`", "")
		if t.NoEffect != "" {
			help = "accepted, without effect: " + t.NoEffect
		}
		flag := ""
		if t.Flag != "" {
			flag = "--" + t.Flag
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(flag), code(t.Env), code(t.File), code(t.Default), help)
	}
	b.WriteString("\n| feature gate | here |\n|---|---|\n")
	for _, name := range gateNames() {
		here := gates[name].help
		if here == "" {
			here = "accepted, without effect: " + gates[name].noEffect
		}
		fmt.Fprintf(&b, "| %s | %s |\n", code(name), here)
	}
	return b.String()
}
