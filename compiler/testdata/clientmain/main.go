// Command clientmain is the smallest client: the boundary test looks at what the linker keeps of it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
)

func main() {
	spec := &compiler.ClientSpec{}
	keys, err := client.GenerateKeys(context.Background(), spec, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	keys.Secret.WriteTo(os.Stdout)
	keys.Evaluation.WriteTo(os.Stdout)
	c, err := client.New(spec, keys.Secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	req, err := c.Encrypt([]int64{1})
	if err != nil {
		fmt.Println(err)
		return
	}
	req.WriteTo(os.Stdout)
	res, err := compiler.ReadResponse(os.Stdin, spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Decrypt(res, req))
	fmt.Println(c.Open(res))
}
