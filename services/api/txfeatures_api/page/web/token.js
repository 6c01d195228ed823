// The token of an api that demands one. It is kept for this tab alone, and sent to this address
// alone; the form is shown when the api has refused a request for the lack of it.

const KEY = "txfeatures-token";

/** The headers that go with every request. */
export function authorization() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Show the form; what is given there is tried by the page anew. */
export function askForToken() {
  const form = document.getElementById("token");
  if (!form.hidden) return;
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, document.getElementById("token-value").value.trim());
    location.reload();
  });
}
