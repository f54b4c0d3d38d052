# watch path/account changed on disk, not reloaded; done-without..., maybe stuck, unreachable platform; log pipe; /dev/full
from h import *
p=Plat('/work/attack/y/t/p2')
s=Site('s2',p,'after-upload="keep"\n')
def st(tag,c=None):
    r=subprocess.run([J,'status','--config',c or s.root+'/c.toml'],capture_output=True,text=True)
    print('=====',tag,'rc',r.returncode); print(r.stdout,r.stderr,flush=True)
s.start(); time.sleep(1)
os.makedirs(s.root+'/d2'); f=s.f
s.conf('',f'[[watch]]\nname="drop"\npath="{s.root}/d2"\nsettle="200ms"\n'); st('path changed on disk, same name, no HUP')
s.conf(''); 
# platform down
p.stop(); A=mp4(s.f+'/a.mp4',1); time.sleep(4); st('platform down 4 s'); print(s.jw('jobs'))
p=Plat('/work/attack/y/t/p2',port=p.port); s.plat=p; time.sleep(12); st('platform up'); print(s.jobs())
# secret wrong
open(s.root+'/secret','w').write('uA96CFtJa138E2T5GhKfngmX'); s.hup(); mp4(s.f+'/b.mp4',2); time.sleep(3); st('wrong secret'); 
open(s.root+'/secret','w').write(SEC); s.hup(); time.sleep(3); st('right secret'); print(s.jobs())
# not moved: move-to gone
os.makedirs(s.root+'/up'); s.conf(f'after-upload="move"\nmove-to="{s.root}/up"\n'); s.hup(); time.sleep(2); os.rmdir(s.root+'/up'); mp4(s.f+'/c.mp4',3); time.sleep(5); st('move-to gone'); print(s.aft())
os.makedirs(s.root+'/up'); time.sleep(6); st('move-to back'); print(os.listdir(s.root+'/up'),os.listdir(s.f))
# second daemon on same config
r=subprocess.run([J,'run','--config',s.root+'/c.toml'],capture_output=True,text=True,timeout=20); print('second',r.returncode,r.stderr[-400:]); st('after second daemon')
# other db same folder
t=open(s.root+'/c.toml').read().replace('jobs.db','jobs2.db'); open(s.root+'/c2.toml','w').write(t)
r=subprocess.run(['timeout','5',J,'run','--config',s.root+'/c2.toml'],capture_output=True,text=True,timeout=20); print('third',r.returncode,r.stderr[-400:]); st('c2',s.root+'/c2.toml'); st('c1')
# polling status while starting
s.stop()
pol=[subprocess.Popen(['bash','-c',f'while :; do {J} status --config {s.root}/c.toml >/dev/null; done']) for _ in range(2)]
bad=0
for i in range(8):
    s.start(); time.sleep(.4)
    if s.p.poll() is not None: bad+=1
    s.stop() if s.p.poll() is None else None
for x in pol: x.kill()
print('start refused because of status polling',bad,'of 8')
# db deleted while status
os.rename(s.root+'/jobs.db',s.root+'/jobs.old'); st('table away'); r=subprocess.run(['timeout','5',J,'run','--config',s.root+'/c.toml'],capture_output=True,text=True); print(r.returncode,r.stderr[-300:]); os.rename(s.root+'/jobs.old',s.root+'/jobs.db')
p.stop()
