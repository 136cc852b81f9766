package onnx
import ("testing";"path/filepath";"strings";"encoding/json";"math";"github.com/fhe-ml/fhe-ml/models")
func TestMore(t *testing.T){
 files,_:=filepath.Glob("/tmp/more/*.onnx")
 for _,p:=range files{ name:=strings.TrimSuffix(filepath.Base(p),".onnx")
  m,r,err:=Import(read(t,p),"")
  if err!=nil { t.Logf("%-16s REFUSED %v",name,err); continue }
  var a struct{Task string; Labels []string; Scores [][]float64; Rows [][]float64}
  if err:=json.Unmarshal(read(t,strings.TrimSuffix(p,".onnx")+".json"),&a);err!=nil{t.Error(name,err);continue}
  bad,worst:=0,0.0
  if a.Task!=r.Task {t.Errorf("%s task %s %s",name,a.Task,r.Task);continue}
  for i,row:=range a.Rows { g,err:=models.Predict(m,row); if err!=nil{t.Errorf("%s %v",name,err);break}
   if a.Task=="classify"&&g.Label.String()!=a.Labels[i]{bad++}
   if len(a.Scores)==0 {continue}
   if len(g.Scores)!=len(a.Scores[i]){t.Errorf("%s scores %v %v",name,g.Scores,a.Scores[i]);break}
   for k:=range g.Scores{worst=math.Max(worst,math.Abs(g.Scores[k]-a.Scores[i][k])/math.Max(1,math.Abs(a.Scores[i][k])))}
  }
  f:=t.Logf; if bad>0||worst>1e-4{f=t.Errorf}
  f("%-16s ok kind %s task %s feats %d named %v link %v pair %v thr %v outs %d bad %d worst %.2g miss %v warn %v",name,r.Kind,r.Task,r.Features,m.Meta().Named,m.Meta().Post.Link,m.Meta().Post.Pair,m.Meta().Post.Threshold,m.Meta().Post.Outputs,bad,worst,func()bool{e,ok:=m.(*models.TreeEnsemble);return ok&&e.Missing}(),r.Warnings)
 }
}
