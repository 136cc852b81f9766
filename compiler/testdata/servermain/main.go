// Command servermain is the smallest server: the boundary test looks at what the linker keeps of it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

func main() {
	c, err := compiler.ReadCircuit(os.Stdin)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := server.New(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	s.SetThreads(0)
	key, err := tfhe.ReadEvaluationKey(os.Stdin)
	if err != nil {
		fmt.Println(err)
		return
	}
	if s.NeedsKey() {
		fmt.Println(s.LoadKey(context.Background(), key, nil))
	}
	req, err := compiler.ReadRequest(os.Stdin, &c.Spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := s.Run(context.Background(), req)
	if err != nil {
		fmt.Println(err)
		return
	}
	res.WriteTo(os.Stdout)
}
