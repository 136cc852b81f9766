// Package liblinear imports golearn's LogisticRegression and LinearSVC from the objects of a program. Their numbers are in the memory of liblinear, which golearn
// brings along in C++: the package needs cgo and is empty without. Saved LinearSVC files need neither it nor cgo; see package golearn.
//
// golearn hands liblinear memory of Go with pointers in it, which Go forbids: LogisticRegression.Fit and LinearSVC.Fit end the program with "argument of cgo
// function has Go pointer to unpinned Go pointer" unless the environment variable GODEBUG is cgocheck=0 when it starts. Importing does not have that problem.
package liblinear
