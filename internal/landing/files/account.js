"use strict";

// What the mailed link carries. It leaves the address bar and the history before anything else happens.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname);

const actions = {
  verify: {
    query: `mutation($token: String!) { done: memberEmailVerify(input: {token: $token}) { userErrors { message } } }`,
    variables: () => ({ token }),
    success: "Your address is confirmed.",
  },
  ask: {
    query: `mutation($email: String!) { done: memberPasswordResetSend(input: {email: $email}) { userErrors { message } } }`,
    variables: (form) => ({ email: form.get("email") }),
    success: "If there is an account with this address, the link is on its way. It works for 30 minutes.",
  },
  reset: {
    query: `mutation($token: String!, $password: String!) {
      done: memberPasswordReset(input: {token: $token, password: $password}) { userErrors { message } } }`,
    variables: (form) => ({ token, password: form.get("password") }),
    success: "Your password is changed. You are signed out everywhere: sign in with the new one.",
  },
  accept: {
    query: `mutation($token: String!, $password: String) {
      done: invitationAccept(input: {token: $token, password: $password}) { merchant { name } userErrors { message } } }`,
    variables: (form) => ({ token, password: form.get("password") || null }),
    success: "You are a member now.",
  },
};

async function perform(action, form) {
  const ask = () => fetch("/graphql", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query: action.query, variables: action.variables(new FormData(form)) }),
  });
  let response = await ask();
  // A session that is over: the answer has taken its cookie away.
  if (response.status === 401) response = await ask();
  const answer = await response.json();
  const failures = answer.errors ?? answer.data.done.userErrors;
  return failures.map((failure) => failure.message).join(" ");
}

for (const form of document.forms) {
  if ("withToken" in form.dataset) form.hidden = token === "";
  if ("withoutToken" in form.dataset) form.hidden = token !== "";
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const outcome = document.getElementById("outcome");
    button.disabled = true;
    let failure;
    try {
      failure = await perform(actions[form.dataset.action], form);
    } catch {
      failure = "The server could not be reached. Try again.";
    }
    button.disabled = false;
    outcome.toggleAttribute("data-failed", failure !== "");
    outcome.textContent = failure || actions[form.dataset.action].success;
    form.hidden = failure === "";
  });
}
