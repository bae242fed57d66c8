(function(){
"use strict";
var said=document.getElementById("said");
function number(text){var t=text.replace(/[,£%]/g,"").replace("−","-").trim();return /^[-+]?[0-9.]/.test(t)?parseFloat(t):null}
function compare(a,b,way){
 var x=number(a),y=number(b);
 if(x===null&&y===null)return way*a.localeCompare(b,"en-GB",{numeric:true});
 if(x===null)return 1;
 if(y===null)return -1;
 return way*(x-y);
}
function text(row,i){var c=row.cells[i];return c?(c.getAttribute("data-v")||c.textContent).trim():""}
function sortable(table){
 var heads=table.tHead.rows[0].cells,body=table.tBodies[0];
 Array.prototype.forEach.call(heads,function(head,i){
  if(head.colSpan>1||!head.textContent.trim())return;
  var button=document.createElement("button");button.type="button";
  while(head.firstChild)button.appendChild(head.firstChild);
  head.appendChild(button);
  button.addEventListener("click",function(){
   var up=head.getAttribute("aria-sort")!=="ascending";
   Array.prototype.forEach.call(heads,function(h){h.removeAttribute("aria-sort")});
   head.setAttribute("aria-sort",up?"ascending":"descending");
   Array.prototype.slice.call(body.rows).map(function(r){return [text(r,i),r]})
    .sort(function(a,b){return compare(a[0],b[0],up?1:-1)}).forEach(function(p){body.appendChild(p[1])});
  });
 });
}
function filterable(table){
 var label=document.createElement("label"),input=document.createElement("input"),rows=table.tBodies[0].rows;
 label.className="filter";label.textContent="Show rows that contain";
 input.type="search";label.appendChild(input);
 table.parentNode.parentNode.insertBefore(label,table.parentNode);
 input.addEventListener("input",function(){
  var wanted=input.value.trim().toLowerCase(),left=0;
  Array.prototype.forEach.call(rows,function(r){
   r.hidden=r.textContent.toLowerCase().indexOf(wanted)<0;if(!r.hidden)left++;
  });
  if(said)said.textContent=left+" of "+rows.length+" rows shown";
 });
}
Array.prototype.forEach.call(document.querySelectorAll("table[data-sort]"),function(table){
 if(table.tBodies.length!==1||!table.tHead)return;
 sortable(table);
 if(table.tBodies[0].rows.length>12)filterable(table);
});
})();
